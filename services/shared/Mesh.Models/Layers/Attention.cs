using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Layers;

/// <summary>Attention of tokens to themselves or to a context, heads side by side in the channels.</summary>
internal sealed class Attention : Module<Tensor, Tensor?, Tensor>
{
    private readonly int _heads;
    [ComponentName(Name = "to_q")] private readonly Linear _query;
    [ComponentName(Name = "to_k")] private readonly Linear _key;
    [ComponentName(Name = "to_v")] private readonly Linear _value;
    [ComponentName(Name = "to_out")] private readonly ModuleList<Linear> _out;

    /// <param name="channels">Width of the tokens.</param>
    /// <param name="context">Width of what is attended to.</param>
    /// <param name="heads">Number of heads; divides <paramref name="channels"/>.</param>
    /// <param name="bias">Whether query, key and value have a bias; the output always has one.</param>
    /// <param name="device">Where the weights are made.</param>
    public Attention(int channels, int context, int heads, bool bias, Device? device)
        : base(nameof(Attention))
    {
        // Heads need not divide the width: the head size is rounded down and the inner width with it.
        _heads = heads;
        var inner = channels / heads * heads;
        _query = Linear(channels, inner, hasBias: bias, device: device);
        _key = Linear(context, inner, hasBias: bias, device: device);
        _value = Linear(context, inner, hasBias: bias, device: device);
        _out = ModuleList(Linear(inner, channels, device: device));
        RegisterComponents();
    }

    /// <param name="x">[B, N, channels].</param>
    /// <param name="context">[B, M, context]; null for self-attention.</param>
    /// <returns>[B, N, channels].</returns>
    public override Tensor forward(Tensor x, Tensor? context)
    {
        using var scope = NewDisposeScope();
        var source = context ?? x;
        var q = Split(_query.call(x)); // [B, heads, N, d]
        var k = Split(_key.call(source)); // [B, heads, M, d]
        var v = Split(_value.call(source)); // [B, heads, M, d]
        var mixed = F.scaled_dot_product_attention(q, k, v); // [B, heads, N, d]
        var joined = mixed.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1); // [B, N, inner]
        return _out[0].call(joined).MoveToOuterDisposeScope();
    }

    private Tensor Split(Tensor x) => x.view(x.shape[0], x.shape[1], _heads, -1).transpose(1, 2);
}
