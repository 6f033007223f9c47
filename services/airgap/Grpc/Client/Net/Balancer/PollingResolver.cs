using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Balancer;

/// <summary>A resolver that asks when told to, one question at a time, and again with growing delays after a failure.</summary>
public abstract class PollingResolver : Resolver
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly IBackoffPolicyFactory? _backoffPolicyFactory;
    private Action<ResolverResult>? _listener;
    private bool _failed;
    private bool _resolving;

    protected PollingResolver(ILoggerFactory loggerFactory) : this(loggerFactory, null)
    {
    }

    protected PollingResolver(ILoggerFactory loggerFactory, IBackoffPolicyFactory? backoffPolicyFactory)
    {
        ArgumentNullException.ThrowIfNull(loggerFactory);
        Logger = loggerFactory.CreateLogger<PollingResolver>();
        _backoffPolicyFactory = backoffPolicyFactory;
    }

    /// <summary>What takes the results, once started.</summary>
    protected Action<ResolverResult> Listener => _listener ?? throw new InvalidOperationException("The resolver has not been started.");

    internal ILogger Logger { get; }

    public sealed override void Start(Action<ResolverResult> listener)
    {
        ArgumentNullException.ThrowIfNull(listener);
        if (_listener is not null) throw new InvalidOperationException("The resolver has been started already.");
        _listener = result =>
        {
            _failed = result.Status.StatusCode != StatusCode.OK;
            listener(result);
        };
        OnStarted();
    }

    public sealed override void Refresh()
    {
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) return;
            if (_listener is null) throw new InvalidOperationException("The resolver has not been started.");
            if (_resolving) return;
            _resolving = true;
        }

        // The caller may hold the channel's lock; what a question does is its own affair.
        _ = Task.Run(ResolveUntilFoundAsync);
    }

    protected virtual void OnStarted()
    {
    }

    /// <summary>Asks once, and hands the answer to <see cref="Listener"/>.</summary>
    protected abstract Task ResolveAsync(CancellationToken cancellationToken);

    protected override void Dispose(bool disposing)
    {
        if (disposing) _stop.Cancel();
        base.Dispose(disposing);
    }

    private async Task ResolveUntilFoundAsync()
    {
        var backoff = _backoffPolicyFactory?.Create();
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                await ResolveOnceAsync().ConfigureAwait(false);
                if (!_failed || backoff is null) return;
                await Task.Delay(backoff.NextBackoff(), _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Disposed; nobody waits for an answer.
        }
        finally
        {
            lock (_lock) _resolving = false;
        }
    }

    private async Task ResolveOnceAsync()
    {
        try
        {
            await ResolveAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (!_stop.IsCancellationRequested)
        {
            Listener(ResolverResult.ForFailure(new Status(StatusCode.Unavailable, "Error refreshing resolver.", exception)));
        }
    }
}
