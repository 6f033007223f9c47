using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp;

/// <summary>An activation that a native layer can apply to its own result.</summary>
internal enum Fused
{
    None = 0,
    SiLU = 1,
    ReLU = 2,
}

/// <summary>A module that can take the activation after it into its own loop, where gradients are not wanted.</summary>
internal interface IFusible
{
    /// <summary>The activated result, or null where this input is not served; the caller then goes step by step.</summary>
    Tensor? Activated(Tensor input, Fused activation);
}

internal static class Fusion
{
    /// <summary>Runs two modules in a row as one, where they are a pair that can be and nobody watches them.</summary>
    internal static Tensor? Try(nn.IModule<Tensor, Tensor> first, nn.IModule<Tensor, Tensor> second, Tensor input)
    {
        var activation = second switch
        {
            SiLU { HasHooks: false } => Fused.SiLU,
            ReLU { HasHooks: false } => Fused.ReLU,
            _ => Fused.None,
        };
        if (activation == Fused.None || first is not IFusible fusible || first is nn.HookableModule<Func<nn.Module<Tensor, Tensor>, Tensor, Tensor>,
            Func<nn.Module<Tensor, Tensor>, Tensor, Tensor, Tensor>> { HasHooks: true }) return null;
        return Native.mesh_grad_enabled() != 0 ? null : fusible.Activated(input, activation);
    }
}
