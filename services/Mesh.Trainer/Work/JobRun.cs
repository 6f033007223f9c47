using System.Text;
using Mesh.Models.Networks;
using Mesh.Models.Weights;
using Mesh.Store.Jobs;
using Mesh.Trainer.Jobs;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;

namespace Mesh.Trainer.Work;

/// <summary>What a run came to.</summary>
internal enum RunOutcome
{
    Succeeded,
    Failed,
    GivenBack,
    Retried,
    Lost,
}

/// <summary>One delivery of a job: runs it from its last checkpoint on, and tells the queue what became of it.</summary>
internal sealed class JobRun(JobStore queue, JobLease lease, TrainerFolders folders, Specifications specifications, JobMessages messages, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    // What is left to tell when the process goes down.
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(10);

    /// <summary>Runs the job.</summary>
    /// <param name="drain">Stops it within a step; it is given back then.</param>
    public async Task<RunOutcome> RunAsync(CancellationToken drain)
    {
        using var keeper = new LeaseKeeper(queue, lease, time);
        using var draining = drain.Register(keeper.AskToStop);
        using var end = new CancellationTokenSource();
        using var cut = new CancellationTokenSource();
        using var cutLater = drain.Register(() => cut.CancelAfter(LastWords + queue.Options.Lease));
        var outbox = new EventOutbox(queue, lease, keeper);
        var holding = keeper.HoldAsync(end.Token);
        var pumping = outbox.PumpAsync(cut.Token);
        // A thread of its own: steps take their time, and the pool has other work.
        var fault = await Task.Factory.StartNew(() => Work(keeper, outbox), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        outbox.Close();
        try
        {
            await pumping.ConfigureAwait(false);
            return await TellAsync(fault, keeper, cut.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cut.IsCancellationRequested)
        {
            // The queue does not answer; it finds the lease lapsed when it does.
            return RunOutcome.Lost;
        }
        finally
        {
            await end.CancelAsync().ConfigureAwait(false);
            await holding.ConfigureAwait(false);
        }
    }

    /// <summary>Does the work; what went wrong, or null.</summary>
    private Exception? Work(LeaseKeeper keeper, EventOutbox outbox)
    {
        try
        {
            var run = new RunFolder(folders.RunOf(lease.Job), keeper.MayWrite);
            specifications.Plan(lease.Job).Run(new JobContext(run, Resume: true, Tell, keeper.Stop));
            if (lease.Job.Parent is null && Directory.Exists(run.Result))
                run.WriteWhole(folders.DigestOf(lease.Id), Encoding.UTF8.GetBytes(TrainerFolders.Digest(run.Result) + "\n"));
            return null;
        }
#pragma warning disable CA1031 // The boundary of a job: whatever went wrong in it is told to the queue, and the trainer goes on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return e;
        }

        void Tell(TrainingEvent happened)
        {
            if (messages.Event(happened) is { } wire) outbox.Add(wire);
        }
    }

    private async Task<RunOutcome> TellAsync(Exception? fault, LeaseKeeper keeper, CancellationToken cut)
    {
        var whole = lease.Job.Parent ?? lease.Id;
        var (outcome, taken) = fault switch
        {
            LeaseLostException => (RunOutcome.Lost, true),
            null => (RunOutcome.Succeeded, await WriteAsync(x => x.CompleteAsync(lease, Relative(whole), Relative(whole), cut)).ConfigureAwait(false)),
            OperationCanceledException when keeper.Stop.IsCancellationRequested => (RunOutcome.GivenBack, await WriteAsync(x => x.GiveBackAsync(lease, cut)).ConfigureAwait(false)),
            _ when IsFinal(fault) => (RunOutcome.Failed, await WriteAsync(x => x.FailAsync(lease, fault.Message, cut)).ConfigureAwait(false)),
            _ => (RunOutcome.Retried, await WriteAsync(x => x.RetryAsync(lease, $"{fault.GetType().Name}: {fault.Message}", Earlier(RetryAfter, queue.Options.Lease), cut)).ConfigureAwait(false)),
        };
        if (outcome == RunOutcome.Failed) TrainerLog.Failed(logger, lease.Id, fault!.Message);
        if (outcome == RunOutcome.Retried) TrainerLog.WillRetry(logger, lease.Id, fault!);
        return taken ? outcome : RunOutcome.Lost;

        Task<bool> WriteAsync(Func<JobStore, Task> write) => Persistence.TryAsync(queue, keeper, write, cut);
    }

    /// <summary>Whether every trainer would come to the same end: what the job asks for is wrong, or there is no room to write.</summary>
    private static bool IsFinal(Exception fault) =>
        fault is TrainingException or JobConfigException or DataException or WeightFileException or ModelConfigException or IOException or UnauthorizedAccessException or InvalidOperationException;

    private string Relative(string id) => folders.Relative(folders.ResultOf(id));

    private static TimeSpan Earlier(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
