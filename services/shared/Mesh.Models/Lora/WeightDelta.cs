using Mesh.Models.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Lora;

/// <summary>
/// The difference between a customised model and the one it was made from, added to a third that was made from the same (a one-step model):
/// W += α·(W_custom − W_base) for every tensor, in float32. Not low-rank.
/// </summary>
public static class WeightDelta
{
    /// <summary>Adds the difference to a network.</summary>
    /// <param name="network">The network; its weights change in place.</param>
    /// <param name="custom">The customised model's weights.</param>
    /// <param name="basis">The weights that it was made from.</param>
    /// <param name="alpha">How much of the difference.</param>
    /// <exception cref="WeightFileException">The three do not have the same tensors.</exception>
    public static void Add(Module network, IWeightSource custom, IWeightSource basis, double alpha)
    {
        using var gradients = no_grad();
        var state = network.state_dict();
        foreach (var source in new[] { custom, basis })
        {
            var missing = state.Keys.Except(source.Entries.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
            if (missing.Length > 0)
                throw new WeightFileException($"{source.Origin} lacks {missing.Length} tensors of the network, first {missing[0]}");
            var differing = state.FirstOrDefault(s => !s.Value.shape.SequenceEqual(source.Entries[s.Key].Shape));
            if (differing.Key is not null)
                throw new WeightFileException($"{source.Origin}: {differing.Key} has another shape than in the network");
        }

        foreach (var (name, weight) in state)
        {
            using var scope = NewDisposeScope();
            var difference = custom.Read(name, ScalarType.Float32) - basis.Read(name, ScalarType.Float32);
            var sum = weight.detach().to(ScalarType.Float32) + (difference.to(weight.device) * alpha);
            weight.copy_(sum.to(weight.dtype));
        }
    }
}
