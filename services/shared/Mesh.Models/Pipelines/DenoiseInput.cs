using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>A ControlNet and the picture that it sees.</summary>
/// <param name="Network">The ControlNet.</param>
/// <param name="Picture">[1 or B, 3, height, width], RGB in [0, 1].</param>
/// <param name="Scale">How strongly it counts.</param>
/// <param name="Start">From which share of the run on, 0 to 1.</param>
/// <param name="End">Up to which share of the run.</param>
/// <param name="Guess">Whether it steers without a prompt's help: early residuals weakened, and none for the negative text.</param>
public sealed record ControlUse(ControlNet Network, Tensor Picture, double Scale = 1, double Start = 0, double End = 1, bool Guess = false);

/// <summary>A batch of latents to make: one for each row of <see cref="Text"/>.</summary>
public sealed record DenoiseInput
{
    /// <summary>The texts.</summary>
    public required TextConditioning Text { get; init; }

    /// <summary>The negative texts, one row for all or one for each; needed where guidance is above 1.</summary>
    public TextConditioning? Negative { get; init; }

    /// <summary>One seed for each image; may be absent where <see cref="Noise"/> is given and no step adds more.</summary>
    public IReadOnlyList<long>? Seeds { get; init; }

    /// <summary>The first noise, [B, C, h, w], in place of what the seeds give.</summary>
    public Tensor? Noise { get; init; }

    /// <summary>Rows of the pictures in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>Columns of the pictures in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Network steps; the recipe's where null.</summary>
    public int? Steps { get; init; }

    /// <summary>Guidance; the recipe's where null.</summary>
    public double? Guidance { get; init; }

    /// <summary>Guidance rescale, 0 to 1; the recipe's where null.</summary>
    public double? GuidanceRescale { get; init; }

    /// <summary>ControlNets; their residuals are added up.</summary>
    public IReadOnlyList<ControlUse> Controls { get; init; } = [];

    /// <summary>Told of each network call's number, from 0, and its output (with guidance negative half first). The tensor is not the receiver's to keep.</summary>
    public Action<int, Tensor>? OnOutput { get; init; }
}
