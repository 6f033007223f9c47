using System.Diagnostics.Metrics;
using Mesh.Batching;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Health;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Hosting.Stages;

/// <summary>What surrounds a stage's engine.</summary>
/// <param name="Batching">Limits of the queue and of batches.</param>
/// <param name="Device">What it computes on.</param>
/// <param name="Readiness">Told when the default model is loaded and warm.</param>
/// <param name="Meters">Where its metrics go.</param>
/// <param name="Time">The clock.</param>
/// <param name="Log">Its log.</param>
public sealed record StageSurroundings(BatcherOptions Batching, StageDevice Device, Readiness Readiness, IMeterFactory Meters, TimeProvider Time, ILogger Log);

/// <summary>
/// A stage's models, its queue and its device's thread together. Once started it loads the default model, runs batches of growing size
/// to warm the device and to measure what they cost, and then tells that it is ready; where that fails it tries again from time to time.
/// </summary>
public sealed class StageEngine<TModel, TKey, TItem, TResult> : IHostedService, IStageControl, IAsyncDisposable
    where TModel : class, IDisposable
    where TKey : IEquatable<TKey>
{
    private const string DefaultModelPart = "default model";
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMinutes(1);

    private readonly IStageWork<TModel, TKey, TItem, TResult> _work;
    private readonly IModelSource<TModel> _source;
    private readonly StageSurroundings _around;
    private readonly Batcher<BatchKey, TItem, TResult> _batcher;
    private readonly BatchCosts _costs = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _starting = Task.CompletedTask;
    private bool _disposed;

    /// <param name="work">What it does with a batch.</param>
    /// <param name="source">Where its models come from.</param>
    /// <param name="store">Its models; disposed of with the engine.</param>
    /// <param name="around">What surrounds it.</param>
    public StageEngine(IStageWork<TModel, TKey, TItem, TResult> work, IModelSource<TModel> source, ModelStore<TModel> store, StageSurroundings around)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(around);
        (_work, _source, Models, _around) = (work, source, store, around);
        _batcher = new(around.Batching, Process, $"mesh {work.Stage}", around.Time);
        StageTelemetry.Register(around.Meters, work.Stage, () => _batcher.Statistics, _costs, () => Models.HeldBytes);
        around.Readiness.Close(DefaultModelPart, "not loaded yet");
    }

    /// <summary>The models.</summary>
    public ModelStore<TModel> Models { get; }

    /// <summary>What the default model's batches cost, measured at the start.</summary>
    public BatchCosts Costs => _costs;

    /// <summary>The queue's counters.</summary>
    public BatcherStatistics Statistics => _batcher.Statistics;

    /// <summary>Does one piece of work, in a batch with others that fit it; ends when this piece is done, not when all are.</summary>
    /// <param name="model">The caller's lease; the model stays while the batch runs, even where the caller is gone before.</param>
    /// <param name="companion">A second model that the work uses; null for none.</param>
    /// <param name="key">What it must have in common with others of its batch.</param>
    /// <param name="item">The work.</param>
    /// <param name="work">Its deadline and cancellation.</param>
    public Task<BatchResult<TResult>> RunAsync(ModelLease<TModel> model, ModelLease<TModel>? companion, TKey key, TItem item, WorkItem work)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(work);
        return _batcher.SubmitAsync(new(model.Held, companion?.Held, key), item, work.Deadline, work.Cancelled);
    }

    /// <inheritdoc/>
    public async Task<GetStageResponse> DescribeAsync(CancellationToken cancel)
    {
        var device = _around.Device;
        var response = new GetStageResponse
        {
            Stage = _work.Stage,
            Device = device.Name,
            DeviceKind = device.Kind,
            Build = device.Build,
            CapacityPerS = _costs.Capacity(),
            Statistics = Wire(_batcher.Statistics),
            DefaultModel = _source.DefaultId ?? "",
        };
        response.Models.AddRange(await Models.ListAsync(cancel).ConfigureAwait(false));
        response.Costs.AddRange(_costs.Measured().Select(x => new BatchCost { BatchSize = x.Size, ComputeUs = WorkItem.Microseconds(x.Mean) }));
        return response;
    }

    /// <inheritdoc/>
    public async Task<StageModel> LoadAsync(ModelRef model, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var lease = await Models.LoadAsync(model.Id, model.Version, cancel).ConfigureAwait(false);
        if (!Interlocked.Exchange(ref lease.Held.Warm, true))
            await _batcher.InvokeAsync(() => Rehearse(lease.Model, 1)).WaitAsync(cancel).ConfigureAwait(false);
        return ModelStore<TModel>.Wire(lease);
    }

    /// <inheritdoc/>
    public Task UnloadAsync(ModelRef model, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Models.UnloadAsync(model.Id, model.Version, cancel);
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _starting = Task.Run(() => BecomeReadyAsync(_stop.Token), CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>Finishes what is queued, until the host's patience ends.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _starting.ConfigureAwait(false);
        await _batcher.DrainAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _starting.ConfigureAwait(false);
        await _batcher.DisposeAsync().ConfigureAwait(false);
        await Models.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private static StageStatistics Wire(BatcherStatistics s) => new()
    {
        Waiting = s.Waiting,
        Running = s.Running,
        Completed = s.Completed,
        Failed = s.Failed,
        Cancelled = s.Cancelled,
        Expired = s.Expired,
        Refused = s.Refused,
        Batches = s.Batches,
        BusyUs = WorkItem.Microseconds(s.Busy),
        WastedUs = WorkItem.Microseconds(s.Wasted),
    };

    private async Task BecomeReadyAsync(CancellationToken stop)
    {
        for (var wait = FirstRetry; ; wait = wait * 2 < LastRetry ? wait * 2 : LastRetry)
        {
            try
            {
                await TryBecomeReadyAsync(stop).ConfigureAwait(false);
                _around.Readiness.Open(DefaultModelPart);
                return;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Whatever it is, the process stays alive and says on /readyz why it is not ready.
            catch (Exception e)
#pragma warning restore CA1031
            {
                StageLog.NotReady(_around.Log, _work.Stage, wait.TotalSeconds, e.Message, e is MeshException ? null : e);
                _around.Readiness.Close(DefaultModelPart, e.Message);
            }
            await Task.Delay(wait, _around.Time, stop).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }
    }

    private async Task TryBecomeReadyAsync(CancellationToken stop)
    {
        if (_source.DefaultId is not { } id)
        {
            StageLog.NothingInstalled(_around.Log, _work.Stage, _source.InstallHint);
            return;
        }
        using var lease = await Models.AcquireAsync(id, "", stop).ConfigureAwait(false);
        lease.Held.Warm = true;
        await MeasureAsync(lease.Model, stop).ConfigureAwait(false);
        StageLog.Ready(_around.Log, _work.Stage, _around.Device.Name, _around.Device.Kind, id, _costs.Capacity());
    }

    /// <summary>Batches of 1, 2, 4, … up to the largest, for as long as that takes little time.</summary>
    private async Task MeasureAsync(TModel model, CancellationToken stop)
    {
        var most = _around.Batching.MaxBatch;
        var rehearsal = new Rehearsals();
        await _batcher.InvokeAsync(() => Rehearse(model, 1)).WaitAsync(stop).ConfigureAwait(false); // the first also fills caches
        for (var size = 1; size <= most && rehearsal.MayGrow(size); size = size < most && size * 2 > most ? most : size * 2)
        {
            var measured = await _batcher.InvokeAsync(() => rehearsal.Best(() => Rehearse(model, size))).WaitAsync(stop).ConfigureAwait(false);
            _costs.Add(size, measured);
            _batcher.Costs.Add(size, measured);
        }
    }

    private TimeSpan Rehearse(TModel model, int size)
    {
        var rehearsal = _work.Rehearse(model, size);
        var started = _around.Time.GetTimestamp();
        _work.Run(model, null, rehearsal.Key, Batches.ForNobody<TItem, TResult>(rehearsal.Items));
        return _around.Time.GetElapsedTime(started) * rehearsal.Weight;
    }

    private void Process(BatchKey key, IBatch<TItem, TResult> batch)
    {
        // Those who wait hold leases, but may all give up or have their answers while the batch runs: it keeps its models itself.
        if (!Models.TryHold(key.Model)) throw new OperationCanceledException(batch.Unwanted);
        try
        {
            if (key.Companion is { } companion && !Models.TryHold(companion)) throw new OperationCanceledException(batch.Unwanted);
            try
            {
                _work.Run(key.Model.Loaded.Result, key.Companion?.Loaded.Result, key.Key, batch);
            }
            finally
            {
                if (key.Companion is { } held) Models.Release(held);
            }
        }
        finally
        {
            Models.Release(key.Model);
        }
    }

    private readonly record struct BatchKey(HeldModel<TModel> Model, HeldModel<TModel>? Companion, TKey Key);
}
