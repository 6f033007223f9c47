using Mesh.Training.Configuration;
using Mesh.Training.Optimisation;

namespace Mesh.Training.Runs;

/// <summary>How a run goes: its length in images, its steps and what it writes when.</summary>
public sealed record TrainConfig
{
    /// <summary>Images a step.</summary>
    public required int Batch { get; init; }

    /// <summary>Images in all; rounded up to whole steps.</summary>
    public required long Images { get; init; }

    /// <summary>The learning rate.</summary>
    public required LearningRate Rate { get; init; }

    /// <summary>The optimiser's knobs.</summary>
    public required OptimiserConfig Optimiser { get; init; }

    /// <summary>The moving average.</summary>
    public required EmaDecay Average { get; init; }

    /// <summary>Steps between lines of statistics.</summary>
    public required int TickSteps { get; init; }

    /// <summary>Steps between checkpoints.</summary>
    public required int CheckpointSteps { get; init; }

    /// <summary>Steps between sample pictures; 0 for none.</summary>
    public required int SampleSteps { get; init; }

    /// <summary>Checkpoints that are kept.</summary>
    public required int KeepCheckpoints { get; init; }

    /// <summary>Seed of everything random.</summary>
    public required long Seed { get; init; }

    /// <summary>Steps in all.</summary>
    public long Steps => (Images + Batch - 1) / Batch;

    /// <summary>Reads the fields of a job's <c>train</c>.</summary>
    public static TrainConfig Read(JobFields fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var batch = fields.Amount("batch", 64, 1);
        var images = fields.Whole("images", null, 1);
        return new TrainConfig
        {
            Batch = batch,
            Images = images,
            Rate = new LearningRate(
                fields.Number("rate", 1e-4, 0, 1, above: true), fields.Whole("warmup_images", 0, 0), fields.Choice<RateShape>("rate_shape", RateShape.Constant), images,
                fields.Number("rate_end_share", 0.02, 0, 1)),
            Optimiser = new OptimiserConfig(
                fields.Number("beta1", 0.9, 0, 0.999999), fields.Number("beta2", 0.999, 0, 0.9999999), fields.Number("epsilon", 1e-8, 0, 1, above: true),
                fields.Number("weight_decay", 0.01, 0, 1), fields.Number("clip_norm", 1, 0)),
            Average = new EmaDecay(fields.Number("average_decay", 0.9999, 0, 0.9999999), fields.Flag("average_ramped", true)),
            TickSteps = fields.Amount("tick_steps", 50, 1),
            CheckpointSteps = fields.Amount("checkpoint_steps", 500, 1),
            SampleSteps = fields.Amount("sample_steps", 0, 0),
            KeepCheckpoints = fields.Amount("keep_checkpoints", 2, 1),
            Seed = fields.Whole("seed", 0, 0, uint.MaxValue),
        };
    }
}
