using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Layers;

/// <summary>Norm, SiLU, convolution, twice, with the time embedding added between; plus the input, through a 1x1 convolution where widths differ.</summary>
internal sealed class ResnetBlock : Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "norm1")] private readonly GroupNorm _norm1;
    [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
    [ComponentName(Name = "time_emb_proj")] private readonly Linear? _timeProjection;
    [ComponentName(Name = "norm2")] private readonly GroupNorm _norm2;
    [ComponentName(Name = "conv2")] private readonly Conv2d _conv2;
    [ComponentName(Name = "conv_shortcut")] private readonly Conv2d? _shortcut;
    private readonly Func<Tensor, Tensor> _activated1;
    private readonly Func<Tensor, Tensor> _activated2;

    /// <param name="input">Channels in.</param>
    /// <param name="output">Channels out.</param>
    /// <param name="embedding">Width of the time embedding; null for a block without one.</param>
    /// <param name="groups">Groups of both norms.</param>
    /// <param name="eps">Epsilon of both norms.</param>
    /// <param name="device">Where the weights are made.</param>
    public ResnetBlock(int input, int output, int? embedding, int groups, double eps, Device? device)
        : base(nameof(ResnetBlock))
    {
        _norm1 = GroupNorm(groups, input, eps, device: device);
        _activated1 = Ops.WithSiLU(_norm1);
        _conv1 = Conv2d(input, output, 3, padding: 1, device: device);
        _timeProjection = embedding is { } width ? Linear(width, output, device: device) : null;
        _norm2 = GroupNorm(groups, output, eps, device: device);
        _activated2 = Ops.WithSiLU(_norm2);
        _conv2 = Conv2d(output, output, 3, padding: 1, device: device);
        _shortcut = input == output ? null : Conv2d(input, output, 1, device: device);
        RegisterComponents();
    }

    /// <param name="x">[B, input, H, W].</param>
    /// <param name="activated">SiLU of the time embedding, [B or 1, embedding]: taken once for all blocks.</param>
    /// <returns>[B, output, H, W].</returns>
    public override Tensor forward(Tensor x, Tensor? activated)
    {
        using var scope = NewDisposeScope();

        // 1. First half.
        var h = _activated1(x); // [B, input, H, W]
        h = Ops.Next(h, _conv1.call(h)); // [B, output, H, W]

        // 2. Time.
        if (_timeProjection is not null)
        {
            var time = _timeProjection.call(activated ?? throw new ArgumentNullException(nameof(activated)));
            h = Ops.Add(h, time.unsqueeze(-1).unsqueeze(-1));
        }

        // 3. Second half.
        h = Ops.Next(h, _activated2(h));
        h = Ops.Next(h, _conv2.call(h));

        // 4. Sum.
        return Ops.Add(h, _shortcut is null ? x : _shortcut.call(x)).MoveToOuterDisposeScope();
    }
}
