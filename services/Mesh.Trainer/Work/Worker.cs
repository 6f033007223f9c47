using Mesh.Hosting.Health;
using Mesh.Store.Jobs;
using Mesh.Trainer.Jobs;
using Microsoft.Extensions.Options;

namespace Mesh.Trainer.Work;

/// <summary>Takes jobs from the queue, one after the other, until the service drains.</summary>
internal sealed class Worker(
    TrainerQueue queue, TrainerFolders folders, Specifications specifications, JobMessages messages, TrainerMetrics metrics, Drain drain, IOptions<TrainerOptions> options,
    TimeProvider time, ILogger<Worker> logger) : BackgroundService
{
    // What the server says of new work may be lost, and nobody says when a lease lapses.
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    private readonly string _name = $"{Environment.MachineName}:{Environment.ProcessId}:{Guid.NewGuid().ToString("N")[..4]}";
    private bool _away;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (queue.Queue is not { } jobs || !options.Value.Work) return;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, drain.Token);
        using var signal = jobs.Signals.Listen(JobSignals.NewWork);
        var look = options.Value.Lease / 3 < Look ? options.Value.Lease / 3 : Look;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (await TryClaimAsync(jobs, stop.Token).ConfigureAwait(false) is { } lease) await RunAsync(jobs, lease, stop.Token).ConfigureAwait(false);
                else await signal.WaitAsync(look, stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task<JobLease?> TryClaimAsync(JobStore jobs, CancellationToken cancel)
    {
        try
        {
            var lease = await jobs.ClaimAsync(_name, cancel).ConfigureAwait(false);
            if (_away) TrainerLog.QueueBack(logger);
            _away = false;
            return lease;
        }
        catch (QueueUnavailableException e)
        {
            if (!_away) TrainerLog.QueueAway(logger, e.Message);
            _away = true;
            return null;
        }
    }

    private async Task RunAsync(JobStore jobs, JobLease lease, CancellationToken stop)
    {
        TrainerLog.Taken(logger, lease.Id, lease.Job.Kind, lease.Job.Deliveries);
        metrics.Begin(lease.Job.Deliveries);
        var began = time.GetTimestamp();
        var outcome = await new JobRun(jobs, lease, folders, specifications, messages, time, logger).RunAsync(stop).ConfigureAwait(false);
        metrics.End(lease.Job.Kind, outcome.ToString().ToLowerInvariant());
        if (outcome == RunOutcome.Succeeded) TrainerLog.Done(logger, lease.Id, time.GetElapsedTime(began));
        if (outcome == RunOutcome.GivenBack) TrainerLog.GivenBack(logger, lease.Id);
        if (outcome == RunOutcome.Lost) TrainerLog.Lost(logger, lease.Id);
    }
}
