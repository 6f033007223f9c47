using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Layers;

/// <summary>
/// Steps on tensors that the caller has just made and will not use again. Where no gradient is recorded they reuse the tensor's memory; where one
/// is, they make a new tensor, since the recorded graph may need the old one.
/// </summary>
internal static class Ops
{
    /// <summary>x·σ(x) of an own tensor.</summary>
    public static Tensor SiLU(Tensor own)
    {
        if (!own.requires_grad)
            return F.silu(own, inplace: true);
        return Next(own, F.silu(own));
    }

    /// <summary>A norm with SiLU after it, in one pass where the library can; its parameters remain the norm's.</summary>
    public static Func<Tensor, Tensor> WithSiLU(GroupNorm norm) => nn.Sequential(norm, nn.SiLU()).call;

    /// <summary>Multiplies an own tensor with one of the same shape.</summary>
    public static Tensor Multiply(Tensor own, Tensor other) =>
        own.requires_grad || other.requires_grad ? Next(own, own * other) : own.mul_(other);

    /// <summary>Adds to an own tensor; <paramref name="other"/> may be smaller and is broadcast.</summary>
    public static Tensor Add(Tensor own, Tensor other) =>
        own.requires_grad || other.requires_grad ? Next(own, own + other) : own.add_(other);

    /// <summary>Disposes of a tensor that the next one replaces, so that the memory of a long chain does not add up.</summary>
    public static Tensor Next(Tensor own, Tensor next)
    {
        own.Dispose();
        return next;
    }
}
