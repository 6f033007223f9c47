using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Layers;

/// <summary>Two linear layers with SiLU between them; with a condition width, a projected condition is added to the input.</summary>
internal sealed class TimestepEmbedding : Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "linear_1")] private readonly Linear _linear1;
    [ComponentName(Name = "cond_proj")] private readonly Linear? _conditionProjection;
    [ComponentName(Name = "linear_2")] private readonly Linear _linear2;

    public TimestepEmbedding(int width, int embedding, int? conditionWidth, Device? device)
        : base(nameof(TimestepEmbedding))
    {
        _linear1 = Linear(width, embedding, device: device);
        _conditionProjection = conditionWidth is { } condition ? Linear(condition, width, hasBias: false, device: device) : null;
        _linear2 = Linear(embedding, embedding, device: device);
        RegisterComponents();
    }

    /// <summary>What the layer computes in.</summary>
    public ScalarType Dtype => _linear1.weight!.dtype;

    public override Tensor forward(Tensor wave, Tensor? condition)
    {
        using var scope = NewDisposeScope();
        var x = wave; // [B, width]
        if (condition is not null)
        {
            var projection = _conditionProjection ?? throw new ArgumentException("the network takes no guidance embedding", nameof(condition));
            x = x + projection.call(condition);
        }

        x = F.silu(_linear1.call(x)); // [B, embedding]
        return _linear2.call(x).MoveToOuterDisposeScope();
    }
}
