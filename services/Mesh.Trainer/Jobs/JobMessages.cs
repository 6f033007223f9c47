using Grpc.Core;
using Mesh.Contracts.Trainer.V1;
using Mesh.Store.Jobs;
using Mesh.Training.Runs;
using JobPriority = Mesh.Store.Jobs.JobPriority;
using JobState = Mesh.Store.Jobs.JobState;
using StepTimes = Mesh.Training.Runs.StepTimes;
using WireJob = Mesh.Contracts.Trainer.V1.Job;
using WirePriority = Mesh.Contracts.Trainer.V1.JobPriority;
using WireState = Mesh.Contracts.Trainer.V1.JobState;

namespace Mesh.Trainer.Jobs;

/// <summary>Jobs and their events as callers see them.</summary>
internal sealed class JobMessages(TrainerQueue queue, TrainerFolders folders)
{
    /// <summary>A job, with how far its parts are where it has any.</summary>
    public async Task<WireJob> JobAsync(JobRecord job, CancellationToken cancel)
    {
        var wire = Plain(job);
        if (job.Shards.Count == 0) return wire;
        var parts = await Task.WhenAll(job.Shards.Select(x => queue.AskAsync(q => q.GetAsync(x, cancel)))).ConfigureAwait(false);
        wire.Shards = job.Shards.Count;
        wire.ShardsDone = parts.Count(x => x?.State == JobState.Succeeded);
        wire.Worker = string.Join(", ", parts.Select(x => x?.Worker ?? "").Where(x => x.Length > 0));
        wire.Deliveries = parts.Sum(x => x?.Deliveries ?? 0);
        var progress = parts.Where(x => x?.Progress is not null).Select(x => JobProgress.Parser.ParseFrom(x!.Progress)).ToList();
        if (progress.Count > 0) wire.Progress = Together(progress, job.Shards.Count);
        return wire;
    }

    /// <summary>An event as it is sent.</summary>
    public static WatchJobResponse Event(JobEvent happened)
    {
        var wire = happened.Body is { } body
            ? WatchJobResponse.Parser.ParseFrom(body)
            : new WatchJobResponse { State = new StateChanged { State = State(happened.State!.Value), Reason = happened.Reason, Worker = happened.Worker } };
        wire.Number = happened.Number;
        wire.AtUs = Microseconds(happened.At);
        if (happened.Shard is { } shard) wire.Shard = shard;
        return wire;
    }

    /// <summary>What a run says, as it is kept until it is sent; null for what other events tell already.</summary>
    public WatchJobResponse? Event(TrainingEvent happened) => happened switch
    {
        RunStarted x => new() { Began = new RunBegan { Parameters = x.Parameters, Step = x.Step, TotalSteps = x.TotalSteps, ResumedFrom = folders.Relative(x.ResumedFrom) } },
        TickPassed x => new() { Progress = Progress(x) },
        SamplesWritten x => new() { Sample = Sample(x) },
        CheckpointWritten x => new() { Checkpoint = new CheckpointMade { Path = folders.Relative(x.Folder), Step = x.Step, Sha256 = x.Hash } },
        CheckpointRefused x => new() { Notice = new Notice { Text = $"not gone on from: {folders.Relative(x.Folder)}: {x.Reason}" } },
        // The new state tells of it, once everything is written.
        RunFinished => null,
        _ => new() { Notice = new Notice { Text = happened.ToString() } },
    };

    public static WireState State(JobState state) => state switch
    {
        JobState.Queued => WireState.Queued,
        JobState.Running => WireState.Running,
        JobState.Paused => WireState.Paused,
        JobState.Succeeded => WireState.Succeeded,
        JobState.Failed => WireState.Failed,
        JobState.Cancelled => WireState.Cancelled,
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    /// <summary>Null where it is none.</summary>
    public static JobState? State(WireState state) =>
        Enum.GetValues<JobState>().Where(x => State(x) == state).Select(x => (JobState?)x).FirstOrDefault();

    public static WirePriority Priority(JobPriority priority) => priority switch
    {
        JobPriority.Low => WirePriority.Low,
        JobPriority.High => WirePriority.High,
        _ => WirePriority.Normal,
    };

    /// <summary>Normal where it is not said; null where it is none.</summary>
    public static JobPriority? Priority(WirePriority priority) => priority == WirePriority.Unspecified
        ? JobPriority.Normal
        : Enum.GetValues<JobPriority>().Where(x => Priority(x) == priority).Select(x => (JobPriority?)x).FirstOrDefault();

    private static WireJob Plain(JobRecord job)
    {
        var wire = new WireJob
        {
            Id = job.Id,
            Kind = job.Kind,
            Title = job.Title,
            State = State(job.State),
            Priority = Priority(job.Priority),
            ResolvedSpecification = job.Body,
            SubmittedUs = Microseconds(job.Submitted),
            StartedUs = Microseconds(job.Started),
            FinishedUs = Microseconds(job.Finished),
            Deliveries = job.Deliveries,
            Worker = job.Worker,
            Progress = job.Progress is { } progress ? JobProgress.Parser.ParseFrom(progress) : null,
            Result = job.State == JobState.Succeeded ? job.Result : "",
            Shards = 1,
            ShardsDone = job.State == JobState.Succeeded ? 1 : 0,
            LastEvent = job.LastEvent,
            Stopping = job.Wish != JobWish.None,
        };
        if (job.State == JobState.Failed) wire.Error = new Google.Rpc.Status { Code = (int)StatusCode.Unknown, Message = job.Error };
        return wire;
    }

    private static JobProgress Together(List<JobProgress> parts, int shards) => new()
    {
        Step = parts.Sum(x => x.Step),
        // Parts that have not begun say nothing; they are about as long as the others.
        TotalSteps = parts.Sum(x => x.TotalSteps) * shards / parts.Count,
        Images = parts.Sum(x => x.Images),
        ImagesPerSecond = parts.Sum(x => x.ImagesPerSecond),
        LeftSeconds = parts.Max(x => x.LeftSeconds),
        SpentSeconds = parts.Sum(x => x.SpentSeconds),
    };

    private static JobProgress Progress(TickPassed tick)
    {
        var wire = new JobProgress
        {
            Step = tick.Step,
            TotalSteps = tick.TotalSteps,
            Images = tick.Images,
            ImagesPerSecond = tick.ImagesPerSecond,
            LeftSeconds = tick.SecondsLeft,
            SpentSeconds = tick.Seconds,
            LearningRate = tick.Rate,
            GradientNorm = tick.GradientNorm,
            Times = Times(tick.Times),
        };
        foreach (var (name, loss) in tick.Losses) wire.Losses[name] = loss;
        return wire;
    }

    private static StepSeconds Times(StepTimes times) => new()
    {
        Data = times.Data, Forward = times.Forward, Backward = times.Backward, Optimiser = times.Optimiser, Average = times.Average,
    };

    private SampleMade Sample(SamplesWritten samples)
    {
        var wire = new SampleMade { Step = samples.Step, Path = folders.Relative(samples.Path) };
        if (samples.Path is { } path && File.Exists(path)) wire.PictureBytes = new FileInfo(path).Length;
        foreach (var (name, value) in samples.Measures) wire.Measures[name] = value;
        return wire;
    }

    private static long Microseconds(DateTimeOffset? at) => at is { } x ? (x - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond : 0;
}
