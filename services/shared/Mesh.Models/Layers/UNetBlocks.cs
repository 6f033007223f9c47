using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Layers;

/// <summary>What one block of a U-Net is made of.</summary>
/// <param name="Channels">Width of the block's output.</param>
/// <param name="Resnets">Number of residual blocks.</param>
/// <param name="Attends">Whether a transformer follows each residual block.</param>
/// <param name="Heads">Heads of its attentions.</param>
/// <param name="Depth">Its number of blocks.</param>
internal readonly record struct UNetBlockPlan(int Channels, int Resnets, bool Attends, int Heads, int Depth);

/// <summary>What all blocks of a U-Net share.</summary>
/// <param name="Embedding">Width of the time embedding.</param>
/// <param name="Context">Width of the text states.</param>
/// <param name="Linear">Whether the transformers' projections are linear layers.</param>
/// <param name="Groups">Groups of every group norm.</param>
/// <param name="Eps">Epsilon of the residual blocks' norms.</param>
/// <param name="Device">Where weights are made.</param>
internal sealed record UNetBlockCommon(int Embedding, int Context, bool Linear, int Groups, double Eps, Device? Device)
{
    public ResnetBlock Resnet(int input, int output) => new(input, output, Embedding, Groups, Eps, Device);

    public Transformer2D Transformer(in UNetBlockPlan plan) => new(plan.Channels, plan.Depth, plan.Heads, Context, Linear, Groups, Device);
}

/// <summary>A level of the way down: residual blocks, each perhaps with a transformer, then perhaps a halving. Every step's output is a skip.</summary>
internal sealed class DownBlock : Module
{
    [ComponentName(Name = "resnets")] private readonly ModuleList<ResnetBlock> _resnets;
    [ComponentName(Name = "attentions")] private readonly ModuleList<Transformer2D>? _attentions;
    [ComponentName(Name = "downsamplers")] private readonly ModuleList<DownsampleConv>? _downsamplers;

    public DownBlock(UNetBlockCommon common, UNetBlockPlan plan, int input, bool halves)
        : base(nameof(DownBlock))
    {
        _resnets = ModuleList(Enumerable.Range(0, plan.Resnets).Select(i => common.Resnet(i == 0 ? input : plan.Channels, plan.Channels)).ToArray());
        _attentions = plan.Attends ? ModuleList(Enumerable.Range(0, plan.Resnets).Select(_ => common.Transformer(plan)).ToArray()) : null;
        _downsamplers = halves ? ModuleList(new DownsampleConv(plan.Channels, symmetric: true, common.Device)) : null;
        RegisterComponents();
    }

    /// <summary>Appends every step's output to <paramref name="skips"/> and returns the last.</summary>
    public Tensor Run(Tensor x, Tensor activated, Tensor context, List<Tensor> skips)
    {
        for (var i = 0; i < _resnets.Count; i++)
        {
            x = _resnets[i].call(x, activated); // [B, C, H, W]
            if (_attentions is not null)
                x = Ops.Next(x, _attentions[i].call(x, context));
            skips.Add(x);
        }

        if (_downsamplers is null)
            return x;
        x = _downsamplers[0].call(x); // [B, C, ceil(H/2), ceil(W/2)]
        skips.Add(x);
        return x;
    }
}

/// <summary>The lowest level: residual block, transformer, residual block.</summary>
internal sealed class MidBlock : Module<Tensor, Tensor, Tensor, Tensor>
{
    [ComponentName(Name = "resnets")] private readonly ModuleList<ResnetBlock> _resnets;
    [ComponentName(Name = "attentions")] private readonly ModuleList<Transformer2D> _attentions;

    public MidBlock(UNetBlockCommon common, UNetBlockPlan plan)
        : base(nameof(MidBlock))
    {
        _resnets = ModuleList(common.Resnet(plan.Channels, plan.Channels), common.Resnet(plan.Channels, plan.Channels));
        _attentions = ModuleList(common.Transformer(plan));
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor activated, Tensor context)
    {
        using var scope = NewDisposeScope();
        x = _resnets[0].call(x, activated); // [B, C, H, W]
        x = Ops.Next(x, _attentions[0].call(x, context));
        return _resnets[1].call(x, activated).MoveToOuterDisposeScope();
    }
}

/// <summary>A level of the way up: residual blocks that each take a skip, each perhaps with a transformer, then perhaps a doubling.</summary>
internal sealed class UpBlock : Module
{
    [ComponentName(Name = "resnets")] private readonly ModuleList<ResnetBlock> _resnets;
    [ComponentName(Name = "attentions")] private readonly ModuleList<Transformer2D>? _attentions;
    [ComponentName(Name = "upsamplers")] private readonly ModuleList<UpsampleConv>? _upsamplers;

    /// <param name="common">What all blocks share.</param>
    /// <param name="plan">This block.</param>
    /// <param name="input">Channels of what comes from below.</param>
    /// <param name="skips">Channels of each skip, in the order in which they are taken.</param>
    /// <param name="doubles">Whether the block ends in a doubling.</param>
    public UpBlock(UNetBlockCommon common, UNetBlockPlan plan, int input, IReadOnlyList<int> skips, bool doubles)
        : base(nameof(UpBlock))
    {
        _resnets = ModuleList(Enumerable.Range(0, plan.Resnets)
            .Select(i => common.Resnet((i == 0 ? input : plan.Channels) + skips[i], plan.Channels)).ToArray());
        _attentions = plan.Attends ? ModuleList(Enumerable.Range(0, plan.Resnets).Select(_ => common.Transformer(plan)).ToArray()) : null;
        _upsamplers = doubles ? ModuleList(new UpsampleConv(plan.Channels, plan.Channels, common.Device)) : null;
        RegisterComponents();
    }

    /// <summary>Takes the block's skips off the end of <paramref name="skips"/>.</summary>
    public Tensor Run(Tensor x, Tensor activated, Tensor context, List<Tensor> skips)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < _resnets.Count; i++)
        {
            var joined = cat([x, skips[^1]], 1); // [B, C + skip, H, W]
            skips.RemoveAt(skips.Count - 1);
            x = Ops.Next(joined, _resnets[i].call(joined, activated)); // [B, C, H, W]
            if (_attentions is not null)
                x = Ops.Next(x, _attentions[i].call(x, context));
        }

        if (_upsamplers is not null)
        {
            // An odd side was halved upwards, so the next skip says what size to return to.
            var (height, width) = (skips[^1].shape[2], skips[^1].shape[3]);
            x = Ops.Next(x, _upsamplers[0].call(x, height, width)); // [B, C, 2H, 2W]
        }

        return x.MoveToOuterDisposeScope();
    }
}
