using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Lora;

/// <summary>
/// A LoRA beside the layers: each adds factor·(alpha/rank)·up(down(x)) to its output, and no weight changes. Cheaper to switch than merging, dearer
/// to run. Disposing of it takes it off.
/// </summary>
public sealed class UnmergedLora : IDisposable
{
    private readonly List<Action> _removals = [];
    private readonly List<Tensor> _factors = [];

    private UnmergedLora()
    {
    }

    /// <summary>Attaches layers.</summary>
    /// <param name="network">The network.</param>
    /// <param name="layers">A file's layers for this network; they may be disposed of afterwards.</param>
    /// <param name="factor">The user's own factor.</param>
    public static UnmergedLora Attach(Module network, IEnumerable<LoraLayer> layers, double factor)
    {
        var attached = new UnmergedLora();
        var targets = new LoraTargets(network);
        foreach (var layer in layers)
            attached.Attach(targets, layer, factor * layer.Scale);
        return attached;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var remove in _removals)
            remove();
        _removals.Clear();
        foreach (var tensor in _factors)
            tensor.Dispose();
        _factors.Clear();
    }

    private void Attach(LoraTargets targets, LoraLayer layer, double scale)
    {
        var weight = targets.Weight(layer.Path);
        Tensor Own(Tensor factor, bool flat)
        {
            using var scope = NewDisposeScope();
            var shaped = flat ? factor.flatten(1) : factor.dim() == 2 ? factor.unsqueeze(-1).unsqueeze(-1) : factor;
            var own = shaped.to(weight.dtype).to(weight.device).clone().DetachFromDisposeScope();
            _factors.Add(own);
            return own;
        }

        Module<Tensor, Tensor> target;
        Func<Tensor, Tensor> beside;
        switch (targets[layer.Path])
        {
            case Linear linear:
                {
                    var (down, up) = (Own(layer.Down, true), Own(layer.Up, true));
                    target = linear;
                    beside = x => F.linear(F.linear(x, down), up);
                    break;
                }

            case Convolution convolution:
                {
                    var (down, up) = (Own(layer.Down, false), Own(layer.Up, false));
                    var mid = layer.Mid is null ? null : Own(layer.Mid, false);
                    var (strides, padding) = (convolution.stride, convolution.padding);
                    target = convolution;
                    beside = x => mid is null
                        ? F.conv2d(F.conv2d(x, down, strides: strides, padding: padding), up)
                        : F.conv2d(F.conv2d(F.conv2d(x, down), mid, strides: strides, padding: padding), up);
                    break;
                }

            case var other:
                throw new LoraFormatException($"{layer.Path}: a {other.GetType().Name} takes no LoRA");
        }

        var hook = target.register_forward_hook((_, input, output) =>
        {
            using var scope = NewDisposeScope();
            return (output + (beside(input) * scale)).MoveToOuterDisposeScope();
        });
        _removals.Add(hook.remove);
    }
}
