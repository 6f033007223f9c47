using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>
/// Calls any of libtorch's operators by its schema name, "name" or "name.overload" as in native_functions.yaml:
/// <code>
///   Op.Call("add.Tensor", a, b, 2.0)              one tensor back       Op.InPlace("relu_", a)                 runs it, gives back its first argument
///   Op.Call2("max.dim", x, dim, keepdim)          two tensors           Op.Call3("native_layer_norm", ...)     three
///   Op.List("chunk", x, chunks, dim)              a list of tensors     Op.Number("_local_scalar_dense", x)    a number
///   Op.Run("_foreach_add_.Scalar", list, 1.0)     no result wanted      Op.Exists("scaled_dot_product_attention")
/// </code>
/// Arguments go in schema order (keyword-only ones too) and convert implicitly to <see cref="Arg"/>: tensors, arrays of tensors,
/// numbers, bools, strings, long[], double[], ScalarType, Device, Generator, Scalar; null (or <see cref="Arg.None"/>) is None.
/// Arguments left out at the end, or given as <see cref="Arg.Default"/>, take the schema's defaults. An integer where the schema wants
/// a float, or one number where it wants a list, is converted. Errors come as <see cref="ExternalException"/> with libtorch's message.
/// </summary>
internal static unsafe class Op
{
    private const int Capacity = 8;

    // Names are literals, so the same call site always passes the same string object: comparing references is enough to hit.
    private static readonly ConcurrentDictionary<string, nint> Handles = new(LiteralComparer.Instance);

    internal static bool Exists(string name) => Find(name) != 0;

    internal static torch.Tensor Call(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        var count = Invoke(name, args, results);
        return Take(results, count, 0);
    }

    internal static (torch.Tensor, torch.Tensor) Call2(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        var count = Invoke(name, args, results);
        return (Take(results, count, 0), Take(results, count, 1));
    }

    internal static (torch.Tensor, torch.Tensor, torch.Tensor) Call3(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        var count = Invoke(name, args, results);
        return (Take(results, count, 0), Take(results, count, 1), Take(results, count, 2));
    }

    internal static (torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor) Call4(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        var count = Invoke(name, args, results);
        return (Take(results, count, 0), Take(results, count, 1), Take(results, count, 2), Take(results, count, 3));
    }

    internal static torch.Tensor[] List(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        Invoke(name, args, results);
        return TakeList(results[0]);
    }

    /// <summary>Runs an operator that changes its first argument, and gives that argument back.</summary>
    internal static torch.Tensor InPlace(string name, params ReadOnlySpan<Arg> args)
    {
        Run(name, args);
        return args[0].Tensor;
    }

    internal static void Run(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        var count = Invoke(name, args, results);
        for (var i = 0; i < count; i++) Drop(results[i]);
    }

    internal static Scalar Number(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        Invoke(name, args, results);
        return Scalar.Take(results[0]);
    }

    internal static bool Test(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc Value[Capacity];
        Invoke(name, args, results);
        return results[0].Integer != 0;
    }

    /// <summary>The tensors of a native list, whose memory is freed.</summary>
    internal static torch.Tensor[] TakeList(in Value value)
    {
        if (value.Tag != Tag.Tensors) throw new InvalidOperationException($"expected a list of tensors, got {value.Tag}");
        var tensors = new torch.Tensor[value.Length];
        for (var i = 0; i < tensors.Length; i++) tensors[i] = torch.Tensor.Wrap(((nint*)value.Pointer)[i])!;
        Native.mesh_free(value.Pointer);
        return tensors;
    }

    private static torch.Tensor Take(Value* results, int count, int index)
    {
        if (index >= count || results[index].Tag != Tag.Tensor) throw new InvalidOperationException($"result {index} of the operator is no tensor");
        return torch.Tensor.Wrap((nint)results[index].Pointer)!;
    }

    private static void Drop(in Value value)
    {
        if (value.Tag == Tag.Tensor && value.Pointer != null) Native.mesh_release((nint)value.Pointer);
        if (value.Tag == Tag.Complex) Native.mesh_free(value.Pointer);
        if (value.Tag != Tag.Tensors) return;
        for (var i = 0; i < value.Length; i++)
            if (((nint*)value.Pointer)[i] is not 0 and var tensor)
                Native.mesh_release(tensor);
        Native.mesh_free(value.Pointer);
    }

    private static int Invoke(string name, ReadOnlySpan<Arg> args, Value* results)
    {
        var op = Find(name);
        if (op == 0) throw new ExternalException($"libtorch has no operator aten::{name}");
        var needed = 0;
        foreach (ref readonly var arg in args) needed += arg.Scratch;
        var heap = needed > 1024 ? (byte*)NativeMemory.Alloc((nuint)needed) : null;
        try
        {
            var stack = stackalloc byte[heap == null ? needed : 0];
            return Invoke(op, args, heap == null ? stack : heap, results);
        }
        finally
        {
            NativeMemory.Free(heap);
        }
    }

    private static int Invoke(nint op, ReadOnlySpan<Arg> args, byte* scratch, Value* results)
    {
        var values = stackalloc Value[args.Length];
        for (var i = 0; i < args.Length; i++)
        {
            args[i].Write(values + i, scratch);
            scratch += args[i].Scratch;
        }
        var count = Native.mesh_call(op, values, args.Length, results, Capacity);
        KeepAlive(args);
        return count >= 0 ? count : throw Native.Error();
    }

    // The handles are bare numbers while the native call runs: the collector must see their owners until it has returned.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void KeepAlive(ReadOnlySpan<Arg> args) => _ = args;

    private static nint Find(string name)
    {
        if (Handles.TryGetValue(name, out var handle)) return handle;
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        handle = dot < 0 ? Native.mesh_find("aten::" + name, "") : Native.mesh_find("aten::" + name[..dot], name[(dot + 1)..]);
        return Handles[name] = handle;
    }

    private sealed class LiteralComparer : IEqualityComparer<string>
    {
        internal static readonly LiteralComparer Instance = new();

        public bool Equals(string? x, string? y) => ReferenceEquals(x, y) || string.Equals(x, y, StringComparison.Ordinal);

        public int GetHashCode(string obj) => HashCode.Combine(obj.Length, obj[0], obj[^1], obj[obj.Length / 2], obj[obj.Length / 4]);
    }
}
