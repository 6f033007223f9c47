using Mesh.Batching;
using Mesh.Contracts.Gateway.V1;
using Mesh.Gateway.Stages;
using Mesh.Hosting.Faults;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Images;

/// <summary>Permits for images on their way: so many in all, so many a caller. A call without one is refused at once and told when to come again.</summary>
internal sealed class CallAdmission
{
    private static readonly TimeSpan LeastRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MostRetry = TimeSpan.FromSeconds(30);

    private readonly GatewayOptions _options;
    private readonly Admission _permits;
    private readonly MeshStages _stages;
    private readonly GatewayMetrics _metrics;

    public CallAdmission(IOptions<GatewayOptions> options, MeshStages stages, GatewayMetrics metrics)
    {
        _options = options.Value;
        _permits = new(_options.MaxInFlight, _options.InFlightPerCaller);
        (_stages, _metrics) = (stages, metrics);
        metrics.Observe(this);
    }

    /// <summary>Permits out now.</summary>
    public int Out => _permits.Out;

    /// <summary>Takes permits, all or none.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="count">How many.</param>
    /// <returns>Gives them back when disposed.</returns>
    /// <exception cref="MeshException">They are not to be had now.</exception>
    public IDisposable Enter(string caller, int count)
    {
        if (_permits.TryEnter(caller, count) is { } permit) return permit;
        var retry = RetryAfter();
        if (count > _options.MaxInFlight - _permits.Out)
        {
            _metrics.Refused("full");
            throw MeshException.Overloaded("GATEWAY_FULL", $"{_permits.Out} of {_options.MaxInFlight} images are on their way. Try again in {retry.TotalSeconds:0.#} s.", retry);
        }
        _metrics.Refused("caller");
        throw MeshException.QuotaExceeded(
            "CALLER_FULL", $"caller:{caller}", $"{_options.InFlightPerCaller} images of one caller may be on their way at once. Try again in {retry.TotalSeconds:0.#} s.", retry);
    }

    /// <summary>About when half of what is on its way has left, by what the slowest stage says that it can do.</summary>
    private TimeSpan RetryAfter()
    {
        var capacity = _stages.Needed
            .Select(pool => pool.Replicas.Where(x => x.State == ReplicaState.Serving).Sum(x => x.Info?.CapacityPerS ?? 0))
            .Where(x => x > 0).DefaultIfEmpty(_options.MaxInFlight).Min();
        var wait = TimeSpan.FromSeconds(_permits.Out / 2.0 / capacity);
        return wait < LeastRetry ? LeastRetry : wait > MostRetry ? MostRetry : wait;
    }
}
