using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp;

internal static unsafe partial class Native
{
    [LibraryImport(Library)] internal static partial nint mesh_group_norm(nint input, nint weight, nint bias, long groups, double eps, int activate);
    [LibraryImport(Library)] internal static partial nint mesh_gelu(nint input);
    [LibraryImport(Library)] internal static partial nint mesh_attention(nint query, nint key, nint value, double scale);
    [LibraryImport(Library)] internal static partial nint mesh_convolution_new(nint weight, nint bias, long* geometry, long groups);
    [LibraryImport(Library)] internal static partial nint mesh_convolution_run(FrozenLayer layer, nint input, int last, int activation);
    [LibraryImport(Library)] internal static partial nint mesh_product_new(nint weight, nint bias);
    [LibraryImport(Library)] internal static partial nint mesh_product_run(FrozenLayer layer, nint input, int activation);
    [LibraryImport(Library)] internal static partial void mesh_layer_free(nint layer);
}

/// <summary>A native layer that was made of weights as they were at one time.</summary>
internal sealed class FrozenLayer : SafeHandle
{
    internal FrozenLayer(nint layer)
        : base(0, true)
    {
        SetHandle(layer);
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Native.mesh_layer_free(handle);
        return true;
    }
}

/// <summary>
/// Holds a module's native layer for as long as its weights stay what they were. Used without gradients only; whenever the layer declines an
/// input, the module computes as usual. Safe for concurrent calls.
/// </summary>
internal sealed class Frozen
{
    private readonly Lock _lock = new();
    private Entry? _entry;

    internal delegate nint Maker(nint weight, nint bias);

    /// <summary>The layer for these weights, made anew where they have changed; null where there is none, or gradients are wanted.</summary>
    internal FrozenLayer? Of(Parameter weight, Parameter? bias, Maker maker)
    {
        if (Native.mesh_grad_enabled() != 0) return null;
        var stamp = Stamp.Of(weight, bias);
        var entry = Volatile.Read(ref _entry);
        if (entry is not null && entry.Stamp == stamp) return entry.Layer;
        lock (_lock)
        {
            if (_entry is not null && _entry.Stamp == stamp) return _entry.Layer;
            _entry?.Layer?.Dispose();
            var made = Eligible(weight) && (bias is null || Eligible(bias)) ? maker(weight.Handle, bias?.Handle ?? 0) : 0;
            Volatile.Write(ref _entry, new Entry(stamp, made == 0 ? null : new FrozenLayer(made)));
            return _entry!.Layer;
        }
    }

    internal void Drop()
    {
        lock (_lock)
        {
            _entry?.Layer?.Dispose();
            _entry = null;
        }
    }

    // Of a tensor made in inference mode no changes are counted.
    private static bool Eligible(Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.dtype is ScalarType.Float32 or ScalarType.BFloat16 && Native.mesh_ask(tensor.Handle, Question.IsInference) == 0;

    private sealed record Entry(Stamp Stamp, FrozenLayer? Layer);

    /// <summary>Which tensors, where their values lie, and how often they have been changed in place.</summary>
    private readonly record struct Stamp(nint Weight, nint WeightData, long WeightVersion, nint Bias, nint BiasData, long BiasVersion)
    {
        internal static Stamp Of(Parameter weight, Parameter? bias)
        {
            var (w, b) = (weight.Handle, bias?.Handle ?? 0);
            return new(w, Data(w), Native.mesh_ask(w, Question.Version), b, b == 0 ? 0 : Data(b), b == 0 ? 0 : Native.mesh_ask(b, Question.Version));
        }

        private static unsafe nint Data(nint tensor) => (nint)Native.mesh_data(tensor);
    }
}
