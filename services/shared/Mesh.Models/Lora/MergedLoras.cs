using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Lora;

/// <summary>
/// LoRAs merged into a network's weights: W = W₀ + Σ factor·(alpha/rank)·up·down, in float32. The first weights are kept, so that any LoRA can be
/// taken out again and what is left is exact.
/// </summary>
public sealed class MergedLoras : IDisposable
{
    private readonly LoraTargets _targets;
    private readonly Dictionary<string, Tensor> _pristine = new(StringComparer.Ordinal);
    private readonly List<(IReadOnlyList<LoraLayer> Layers, double Factor)> _merged = [];

    /// <param name="network">The network; its weights change in place.</param>
    public MergedLoras(Module network) => _targets = new LoraTargets(network);

    /// <summary>Merges layers, or changes the factor of layers that are merged already.</summary>
    /// <param name="layers">A file's layers for this network; they must outlive their being merged.</param>
    /// <param name="factor">The user's own factor; 1 is what the file was made for, 0 takes the layers out.</param>
    public void Set(IReadOnlyList<LoraLayer> layers, double factor)
    {
        var at = _merged.FindIndex(m => ReferenceEquals(m.Layers, layers));
        if (at >= 0)
            _merged.RemoveAt(at);
        if (factor != 0)
            _merged.Insert(at < 0 ? _merged.Count : at, (layers, factor));
        foreach (var path in layers.Select(l => l.Path).Distinct(StringComparer.Ordinal))
            Refresh(path);
    }

    /// <summary>Takes layers out.</summary>
    public void Remove(IReadOnlyList<LoraLayer> layers) => Set(layers, 0);

    /// <summary>Forgets the first weights; the network keeps what is merged.</summary>
    public void Dispose()
    {
        foreach (var weight in _pristine.Values)
            weight.Dispose();
        _pristine.Clear();
    }

    private void Refresh(string path)
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        var weight = _targets.Weight(path);
        if (!_pristine.TryGetValue(path, out var first))
            _pristine[path] = first = weight.detach().clone().DetachFromDisposeScope();
        var sum = first.to(ScalarType.Float32);
        var changed = false;
        foreach (var (layers, factor) in _merged)
        {
            foreach (var layer in layers.Where(l => l.Path == path))
            {
                sum = sum + (layer.Delta(weight.shape).to(sum.device) * (factor * layer.Scale));
                changed = true;
            }
        }

        weight.copy_(sum.to(weight.dtype));
        if (changed)
            return;
        _pristine.Remove(path);
        first.Dispose();
    }
}
