using Mesh.Models.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Networks;

/// <summary>
/// Networks that are about to be filled from a file. Drawing random weights first takes longer than reading them: seven seconds of a processor for
/// Stable Diffusion 1.5. So they are built on the meta device and then given memory with nothing in it.
/// </summary>
public static class BlankNetwork
{
    /// <summary>A network whose weights are on the CPU and mean nothing until they are loaded.</summary>
    /// <param name="make">Builds the network on a device.</param>
    /// <param name="dtype">What it is to compute in.</param>
    /// <exception cref="InvalidOperationException">The network has weights of a kind that is not known here.</exception>
    public static T Make<T>(Func<Device, T> make, ScalarType dtype = ScalarType.Float32)
        where T : Module
    {
        var network = make(META);
        foreach (var (_, module) in network.named_modules())
            Allocate(module, dtype);
        var left = network.named_parameters().Select(p => (Name: p.Item1, Value: p.Item2)).FirstOrDefault(p => p.Value.is_meta);
        return left.Name is null ? network : throw new InvalidOperationException($"{left.Name} of {network.GetName()} was not given memory");
    }

    /// <summary>A parameter of the same shape on the CPU, with nothing in it.</summary>
    internal static Parameter Like(Parameter meta, ScalarType dtype) => new(empty(meta.shape, dtype), meta.requires_grad);

    private static void Allocate(Module module, ScalarType dtype)
    {
        switch (module)
        {
            case TorchSharp.Modules.Linear linear:
                linear.weight = Like(linear.weight!, dtype);
                if (linear.bias is { } linearBias)
                    linear.bias = Like(linearBias, dtype);
                break;
            case TorchSharp.Modules.Convolution convolution:
                convolution.weight = Like(convolution.weight!, dtype);
                if (convolution.bias is { } convolutionBias)
                    convolution.bias = Like(convolutionBias, dtype);
                break;
            case TorchSharp.Modules.GroupNorm norm:
                norm.weight = Like(norm.weight!, dtype);
                norm.bias = Like(norm.bias!, dtype);
                break;
            case TorchSharp.Modules.LayerNorm norm:
                norm.weight = Like(norm.weight!, dtype);
                norm.bias = Like(norm.bias!, dtype);
                break;
            case TorchSharp.Modules.Embedding embedding:
                embedding.weight = Like(embedding.weight!, dtype);
                break;
            case IOwnWeights own:
                own.Allocate(dtype);
                break;
            default:
                break; // holds other modules only, which Make makes sure of
        }
    }
}
