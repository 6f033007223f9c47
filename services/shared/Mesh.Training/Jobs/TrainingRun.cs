using System.Globalization;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>What every job that trains does around its task.</summary>
internal static class TrainingRun
{
    /// <summary>Keeps the configuration, makes the task with weights that follow from the seed, and trains.</summary>
    public static void Run<TBatch>(IJobPlan plan, TrainConfig config, JobContext context, Func<ITrainingTask<TBatch>> make)
        where TBatch : IDisposable
    {
        context.Folder.SaveConfig(plan.Resolved);
        manual_seed(config.Seed);
        using var task = make();
        using var trainer = new Trainer<TBatch>(task, config, context.Tell);
        trainer.Run(context.Folder, context.Resume, context.Cancel);
    }

    /// <summary>Makes the task and one step of it.</summary>
    public static IReadOnlyList<string> Rehearse<TBatch>(TrainConfig config, Func<ITrainingTask<TBatch>> make)
        where TBatch : IDisposable
    {
        manual_seed(config.Seed);
        using var task = make();
        using var trainer = new Trainer<TBatch>(task, config);
        var found = trainer.Rehearse();
        return
        [
            string.Create(CultureInfo.InvariantCulture, $"{found.Parameters:N0} parameters, {found.Steps:N0} steps of {config.Batch}"),
            string.Create(CultureInfo.InvariantCulture, $"first loss {found.Loss:G5}, gradient norm {found.GradientNorm:G5}, {found.Times.Total:G3} s"),
        ];
    }
}
