using System.Runtime.InteropServices;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A tensor over the array's own memory, pinned for as long as the tensor lives, where type and device allow; else a copy.</summary>
    public static Tensor from_array(Array rawArray, Device? device = null) => from_array(rawArray, null, device);

    public static Tensor from_array(
        Array rawArray, ScalarType? dtype, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Placed(Shared(rawArray, TypeOf(rawArray), Lengths(rawArray), 0), dtype, device, requires_grad, names);

    public static Tensor as_tensor(Array data, ScalarType? dtype = null, Device? device = null) => from_array(data, dtype, device);

    public static Tensor as_tensor(Tensor data, ScalarType? dtype = null, Device? device = null) =>
        Op.Call("to.device", data, device ?? data.device, dtype ?? data.dtype);

    /// <summary>A flat tensor over part of an array's memory.</summary>
    /// <param name="rawArray">holds the elements; pinned for as long as the tensor lives</param>
    /// <param name="dtype">the elements' type, which must be the array's</param>
    /// <param name="count">how many elements, -1 for all that follow</param>
    /// <param name="offset">the first one's place</param>
    /// <param name="requires_grad">whether autograd follows the tensor</param>
    public static Tensor frombuffer(Array rawArray, ScalarType dtype, long count = -1, long offset = 0, bool requires_grad = false)
    {
        var all = rawArray.LongLength;
        var size = ElementSize(TypeOf(rawArray));
        var wanted = ElementSize(dtype);
        var available = (all - offset) * size / wanted;
        if (offset < 0 || offset >= all) throw new ArgumentException($"invalid value for 'offset': {offset}", nameof(offset));
        if (count > available) throw new ArgumentException($"too large value for 'count': {count}", nameof(count));
        return Finished(Shared(rawArray, dtype, [count < 0 ? available : count], offset * size), requires_grad, null);
    }

    private static Tensor Scalar(Scalar scalar, ScalarType? dtype, Device? device, bool requiresGrad) =>
        Finished(Op.Call("full", Array.Empty<long>(), scalar, dtype ?? Natural(scalar), Arg.None, device ?? _defaultDevice), requiresGrad, null);

    private static Tensor Scalar<T>(T scalar, ScalarType? dtype, Device? device, bool requiresGrad)
        where T : unmanaged => Copy([scalar], [], dtype, device, requiresGrad, null);

    private static Tensor Block<T>(Array block, ScalarType? dtype, Device? device, bool requiresGrad, string[]? names)
        where T : unmanaged
    {
        ref var first = ref MemoryMarshal.GetArrayDataReference(block);
        var items = MemoryMarshal.CreateReadOnlySpan(ref System.Runtime.CompilerServices.Unsafe.As<byte, T>(ref first), block.Length);
        return Copy(items, Lengths(block), dtype, device, requiresGrad, names);
    }

    private static ReadOnlySpan<T> Items<T>(IList<T> list) => list switch
    {
        T[] array => array,
        List<T> own => CollectionsMarshal.AsSpan(own),
        _ => list.ToArray(),
    };

    /// <summary>A tensor with memory of its own, filled from managed memory.</summary>
    private static unsafe Tensor Copy<T>(
        ReadOnlySpan<T> items, long[] shape, ScalarType? dtype, Device? device, bool requiresGrad, string[]? names)
        where T : unmanaged
    {
        var wanted = shape.Aggregate(1L, (product, length) => product * length);
        if (wanted != items.Length) throw new ArgumentException($"mismatched total size: {items.Length} elements for shape [{string.Join(", ", shape)}]", nameof(shape));
        var tensor = Op.Call("empty.memory_format", shape, TypeOf(typeof(T)), Arg.None, CPU);
        if (items.Length > 0) items.CopyTo(new Span<T>(tensor.DataPointer, items.Length));
        return Placed(tensor, dtype, device, requiresGrad, names);
    }

    private static Tensor Placed(Tensor tensor, ScalarType? dtype, Device? device, bool requiresGrad, string[]? names)
    {
        if (dtype is { } type && type != tensor.dtype) tensor = tensor.to(type, disposeAfter: true);
        if ((device ?? _defaultDevice) is { type: not DeviceType.CPU } place) tensor = tensor.to(place, disposeAfter: true);
        return Finished(tensor, requiresGrad, names);
    }

    private static unsafe Tensor Shared(Array array, ScalarType type, long[] shape, long byteOffset)
    {
        var pin = GCHandle.Alloc(array, GCHandleType.Pinned);
        var data = (byte*)pin.AddrOfPinnedObject() + byteOffset;
        nint handle;
        fixed (long* sizes = shape) handle = Native.mesh_from_memory(data, sizes, shape.Length, (int)type, &Unpin, GCHandle.ToIntPtr(pin));
        return Tensor.Wrap(Native.Defined(handle))!;
    }

    // Called by libtorch, on whatever thread drops the last reference to the memory.
    [UnmanagedCallersOnly]
    private static void Unpin(nint pin) => GCHandle.FromIntPtr(pin).Free();

    private static long[] Lengths(Array array) => Enumerable.Range(0, array.Rank).Select(array.GetLongLength).ToArray();

    private static ScalarType TypeOf(Array array) => TypeOf(array.GetType().GetElementType()!);

    /// <summary>The element type that a managed type stands for.</summary>
    internal static ScalarType TypeOf(Type type)
    {
        if (type == typeof(float)) return ScalarType.Float32;
        if (type == typeof(long)) return ScalarType.Int64;
        if (type == typeof(int)) return ScalarType.Int32;
        if (type == typeof(byte)) return ScalarType.Byte;
        if (type == typeof(double)) return ScalarType.Float64;
        if (type == typeof(bool)) return ScalarType.Bool;
        if (type == typeof(Half)) return ScalarType.Float16;
        if (type == typeof(BFloat16)) return ScalarType.BFloat16;
        if (type == typeof(short)) return ScalarType.Int16;
        if (type == typeof(sbyte)) return ScalarType.Int8;
        if (type == typeof((float, float))) return ScalarType.ComplexFloat32;
        if (type == typeof(System.Numerics.Complex)) return ScalarType.ComplexFloat64;
        throw new NotSupportedException($"no element type stands for {type}");
    }

    internal static int ElementSize(ScalarType type) => type switch
    {
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool or ScalarType.QInt8 or ScalarType.QUInt8 => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 or ScalarType.QInt32 => 4,
        ScalarType.Int64 or ScalarType.Float64 or ScalarType.ComplexFloat32 => 8,
        ScalarType.ComplexFloat64 => 16,
        _ => throw new NotSupportedException($"no such element type: {type}"),
    };
}
