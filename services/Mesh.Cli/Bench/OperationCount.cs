using Mesh.Models.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Cli.Bench;

/// <summary>
/// Counts the floating-point operations of a network's convolutions, linear layers and attention while it runs, a multiplication and
/// an addition as two. Norms and activations are left out, as is usual.
/// </summary>
internal sealed class OperationCount : IDisposable
{
    private readonly List<Action> _removals = [];
    private readonly Dictionary<string, long> _queries = new(StringComparer.Ordinal);

    /// <summary>Watches every layer of a network.</summary>
    public OperationCount(Module network)
    {
        foreach (var (name, module) in network.named_modules()) Watch(name, module);
    }

    /// <summary>Operations counted so far.</summary>
    public double Total { get; private set; }

    public void Dispose() => _removals.ForEach(remove => remove());

    private void Watch(string name, Module module)
    {
        switch (module)
        {
            case Conv2d convolution:
                var hook = convolution.register_forward_hook((_, _, output) =>
                {
                    Add(output, convolution.weight!.numel() / convolution.weight.shape[0]);
                    if (name.EndsWith("to_qkv", StringComparison.Ordinal)) AddAttention(output.shape[0], output.shape[2] * output.shape[3], output.shape[2] * output.shape[3], output.shape[1] / 3);
                    return output;
                });
                _removals.Add(hook.remove);
                break;
            case Linear linear:
                var watch = linear.register_forward_hook((_, _, output) =>
                {
                    Add(output, linear.weight!.shape[1]);
                    AddAttentionOf(name, output);
                    return output;
                });
                _removals.Add(watch.remove);
                break;
            case AdaptiveConv adaptive:
                var seen = adaptive.register_forward_hook((_, input, _, _, output) =>
                {
                    Add(output, 9 * input.shape[1]);
                    return output;
                });
                _removals.Add(seen.remove);
                break;
        }
    }

    private void Add(Tensor output, long each) => Total += 2.0 * output.numel() * each;

    /// <summary>Queries come before keys: both together tell how many tokens look at how many.</summary>
    private void AddAttentionOf(string name, Tensor output)
    {
        var dot = name.LastIndexOf('.');
        var (parent, leaf) = (name[..Math.Max(dot, 0)], name[(dot + 1)..]);
        var tokens = output.dim() == 3 ? output.shape[1] : 1;
        if (leaf is "to_q" or "q_proj") _queries[parent] = tokens;
        else if (leaf is "to_k" or "k_proj" && _queries.TryGetValue(parent, out var queries)) AddAttention(output.shape[0], queries, tokens, output.shape[^1]);
    }

    /// <summary>Scores and sums: two products of [queries, width] and [keys, width].</summary>
    private void AddAttention(long batch, long queries, long keys, long width) => Total += 4.0 * batch * queries * keys * width;
}
