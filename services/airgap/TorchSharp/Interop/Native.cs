using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>The C interface of native/mesh_torch.cpp, member for member.</summary>
internal static unsafe partial class Native
{
    private const string Library = "mesh_torch";

    static Native() => NativeLoader.Register();

    [LibraryImport(Library)] internal static partial byte* mesh_last_error();
    [LibraryImport(Library)] internal static partial byte* mesh_version();
    [LibraryImport(Library)] internal static partial void mesh_free(void* memory);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint mesh_find(string name, string overload);
    [LibraryImport(Library)] internal static partial int mesh_call(nint op, Value* arguments, int count, Value* results, int capacity);

    [LibraryImport(Library)] internal static partial void mesh_release(nint tensor);
    [LibraryImport(Library)] internal static partial nint mesh_retain(nint tensor);
    [LibraryImport(Library)] internal static partial int mesh_info(nint tensor, TensorInfo* info);
    [LibraryImport(Library)] internal static partial long mesh_dimensions(nint tensor);
    [LibraryImport(Library)] internal static partial int mesh_sizes(nint tensor, long* sizes);
    [LibraryImport(Library)] internal static partial int mesh_strides(nint tensor, long* strides);
    [LibraryImport(Library)] internal static partial void* mesh_data(nint tensor);
    [LibraryImport(Library)] internal static partial long mesh_ask(nint tensor, Question question);
    [LibraryImport(Library)]
    internal static partial nint mesh_from_memory(void* data, long* sizes, int dimensions, int dtype, delegate* unmanaged<nint, void> deleter, nint context);

    [LibraryImport(Library)] internal static partial int mesh_set_requires_grad(nint tensor, int on);
    [LibraryImport(Library)] internal static partial nint mesh_grad(nint tensor);
    [LibraryImport(Library)] internal static partial int mesh_set_grad(nint tensor, nint grad);
    [LibraryImport(Library)] internal static partial int mesh_retain_grad(nint tensor);
    [LibraryImport(Library)]
    internal static partial int mesh_backward(nint* tensors, int count, nint* grads, int gradCount, int retain, int create, nint* inputs, int inputCount);
    [LibraryImport(Library)]
    internal static partial int mesh_autograd(
        nint* outputs, int count, nint* inputs, int inputCount, nint* grads, int gradCount, int retain, int create, int allowUnused, Value* result);

    [LibraryImport(Library)] internal static partial int mesh_grad_enabled();
    [LibraryImport(Library)] internal static partial void mesh_set_grad_enabled(int on);
    [LibraryImport(Library)] internal static partial int mesh_inference_enabled();
    [LibraryImport(Library)] internal static partial nint mesh_inference_enter(int on);
    [LibraryImport(Library)] internal static partial void mesh_inference_leave(nint guard);

    [LibraryImport(Library)] internal static partial nint mesh_generator_default(int type, int index);
    [LibraryImport(Library)] internal static partial nint mesh_generator_new(ulong seed, int type, int index);
    [LibraryImport(Library)] internal static partial void mesh_generator_release(nint generator);
    [LibraryImport(Library)] internal static partial int mesh_generator_seed(nint generator, ulong seed);
    [LibraryImport(Library)] internal static partial ulong mesh_generator_initial_seed(nint generator);
    [LibraryImport(Library)] internal static partial nint mesh_generator_state(nint generator);
    [LibraryImport(Library)] internal static partial int mesh_generator_set_state(nint generator, nint state);
    [LibraryImport(Library)] internal static partial int mesh_manual_seed(ulong seed);
    [LibraryImport(Library)] internal static partial int mesh_cuda_manual_seed(ulong seed, int all);

    [LibraryImport(Library)] internal static partial int mesh_threads();
    [LibraryImport(Library)] internal static partial int mesh_set_threads(int count);
    [LibraryImport(Library)] internal static partial int mesh_interop_threads();
    [LibraryImport(Library)] internal static partial int mesh_set_interop_threads(int count);

    [LibraryImport(Library)] internal static partial int mesh_cuda_available();
    [LibraryImport(Library)] internal static partial int mesh_cudnn_available();
    [LibraryImport(Library)] internal static partial int mesh_cuda_count();
    [LibraryImport(Library)] internal static partial int mesh_cuda_synchronize(int index);
    [LibraryImport(Library)] internal static partial int mesh_switch(int which, int value);

    /// <summary>The error of this thread's last failed call, as the exception that the public API throws.</summary>
    internal static ExternalException Error() => new(Marshal.PtrToStringUTF8((nint)mesh_last_error()) ?? "unknown error");

    /// <summary>Throws the native error where <paramref name="result"/> says that the call failed.</summary>
    internal static void Check(long result)
    {
        if (result < 0) throw Error();
    }

    /// <summary>The pointer, or the native error where it is null.</summary>
    internal static nint Defined(nint pointer) => pointer != 0 ? pointer : throw Error();
}

/// <summary>What <see cref="Native.mesh_ask"/> can tell of a tensor.</summary>
internal enum Question
{
    RequiresGrad,
    IsLeaf,
    IsContiguous,
    IsChannelsLast,
    StorageOffset,
    IsConjugate,
    IsNegative,
    IsInference,
    Version,
    StorageBytes,
    IsPinned,
    IsChannelsLast3d,
}

[StructLayout(LayoutKind.Sequential)]
internal struct TensorInfo
{
    internal long Elements;
    internal long Dimensions;
    internal long ElementSize;
    internal int Type;
    internal int DeviceType;
    internal int DeviceIndex;
    internal int Layout;
}

/// <summary>One argument or result as the native side sees it: a tag, a length for lists, and eight bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct Value
{
    [FieldOffset(0)] internal Tag Tag;
    [FieldOffset(4)] internal int Length;
    [FieldOffset(8)] internal long Integer;
    [FieldOffset(8)] internal double Number;
    [FieldOffset(8)] internal void* Pointer;
}

internal enum Tag
{
    Omitted,
    None,
    Tensor,
    Int,
    Double,
    Bool,
    String,
    Ints,
    Doubles,
    Tensors,
    Device,
    Generator,
    Complex,
}
