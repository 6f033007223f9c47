using static TorchSharp.torch.nn;

namespace Mesh.Training.Perception;

/// <summary>Networks that judge and are not trained.</summary>
public static class Freezing
{
    /// <summary>Puts a network in evaluation mode and lets no parameter gather gradients.</summary>
    public static void Freeze(this Module network)
    {
        ArgumentNullException.ThrowIfNull(network);
        foreach (var parameter in network.parameters())
            parameter.requires_grad = false;
        network.eval();
    }
}
