using Mesh.Models.Noise;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace Mesh.Training.Adapters;

/// <summary>
/// The low-rank updates of one network, beside its layers: the network keeps its weights, and what is trained, averaged and kept are the updates alone.
/// </summary>
public sealed class LoraAdapters : Module
{
    private readonly List<LoraAdapter> _all = [];
    private readonly List<Action> _removals = [];

    /// <summary>Gives every layer that is meant an update and freezes the network; it computes what it did until the updates are trained.</summary>
    /// <param name="network">The network.</param>
    /// <param name="shape">Which layers, and of what size.</param>
    /// <param name="random">Draws the first values, layer by layer in the order of their paths.</param>
    /// <exception cref="ArgumentException">No layer is meant.</exception>
    public LoraAdapters(Module network, LoraShape shape, TorchGenerator random)
        : base(nameof(LoraAdapters))
    {
        ArgumentNullException.ThrowIfNull(network);
        foreach (var parameter in network.parameters())
            parameter.requires_grad = false;
        var layers = Layers(network).ToDictionary(l => l.Path, l => l.Layer, StringComparer.Ordinal);
        foreach (var path in layers.Keys.Where(shape.Has).Order(StringComparer.Ordinal))
        {
            var adapter = new LoraAdapter(path, Weight(layers[path]), shape, random);
            _all.Add(adapter);
            register_module(Flat(path), adapter);
            _removals.Add(adapter.Attach(layers[path]));
        }

        if (_all.Count == 0)
            throw new ArgumentException($"the network has no layer {string.Join(", ", shape.Targets)}", nameof(shape));
    }

    /// <summary>The updates, in the order of their layers' paths.</summary>
    public IReadOnlyList<LoraAdapter> All => _all;

    /// <summary>A module path with underscores for dots.</summary>
    public static string Flat(string path) => path.Replace('.', '_');

    /// <summary>The module paths of the layers that can have an update.</summary>
    public static IEnumerable<string> Paths(Module network) => Layers(network).Select(l => l.Path);

    /// <summary>Takes all updates off; the network is what it was.</summary>
    public void Detach()
    {
        foreach (var remove in _removals)
            remove();
        _removals.Clear();
    }

    private static IEnumerable<(string Path, Module Layer)> Layers(Module network) =>
        network.named_modules().Where(m => m.Item2 is TorchSharp.Modules.Linear or Convolution).Select(m => (m.Item1, m.Item2));

    private static Parameter Weight(Module layer) => layer is TorchSharp.Modules.Linear linear ? linear.weight! : ((Convolution)layer).weight!;
}
