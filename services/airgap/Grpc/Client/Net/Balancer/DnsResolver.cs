using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Balancer;

/// <summary><c>dns:///host[:port]</c>: all addresses of a name.</summary>
public sealed class DnsResolverFactory : ResolverFactory
{
    private readonly TimeSpan _refreshInterval;

    /// <param name="refreshInterval">How often to ask again unasked; <see cref="Timeout.InfiniteTimeSpan"/>: only after a connection was lost.</param>
    public DnsResolverFactory(TimeSpan refreshInterval) => _refreshInterval = refreshInterval;

    public override string Name => "dns";

    public override Resolver Create(ResolverOptions options)
    {
        var factory = ChannelServices.Get<IBackoffPolicyFactory>(options.ChannelOptions)
            ?? new ExponentialBackoffPolicyFactory(options.ChannelOptions.InitialReconnectBackoff, options.ChannelOptions.MaxReconnectBackoff);
        return new DnsResolver(options.Address, options.DefaultPort, options.LoggerFactory, _refreshInterval, factory);
    }
}

internal sealed class DnsResolver : PollingResolver
{
    // A flapping connection asks for a refresh each time; name servers are spared.
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(15);

    private readonly string _host;
    private readonly int _port;
    private readonly string _authority;
    private readonly TimeSpan _refreshInterval;
    private Timer? _timer;
    private long? _lastAnswer;

    public DnsResolver(Uri address, int defaultPort, ILoggerFactory loggerFactory, TimeSpan refreshInterval, IBackoffPolicyFactory backoffPolicyFactory)
        : base(loggerFactory, backoffPolicyFactory)
    {
        if (!string.IsNullOrEmpty(address.Authority) && address.AbsolutePath.Length > 1)
        {
            throw new InvalidOperationException($"DNS address '{address}' names a DNS server, which is not supported.");
        }
        var target = new Uri("http://" + ChannelServices.GetHostPath(address));
        _host = target.IdnHost;
        _port = target.Authority.EndsWith(":" + target.Port, StringComparison.Ordinal) || !target.IsDefaultPort ? target.Port : defaultPort;
        _authority = _port == defaultPort ? target.Host : $"{target.Host}:{_port}";
        _refreshInterval = refreshInterval;
    }

    protected override void OnStarted()
    {
        if (_refreshInterval > TimeSpan.Zero) _timer = new Timer(static resolver => ((DnsResolver)resolver!).Refresh(), this, _refreshInterval, _refreshInterval);
    }

    protected override async Task ResolveAsync(CancellationToken cancellationToken)
    {
        if (_lastAnswer is { } last && ShortestInterval - TimeSpan.FromMilliseconds(Environment.TickCount64 - last) is { Ticks: > 0 } wait)
        {
            await Task.Delay(wait, cancellationToken).ConfigureAwait(false);
        }
        try
        {
            var found = await Dns.GetHostAddressesAsync(_host, cancellationToken).ConfigureAwait(false);
            _lastAnswer = Environment.TickCount64;
            Listener(ResolverResult.ForResult([.. found.Select(ToAddress)]));
        }
        catch (SocketException exception)
        {
            var detail = $"Error getting DNS hosts for address '{_host}'.";
            ChannelLog.ResolverFailed(Logger, null, detail, exception);
            Listener(ResolverResult.ForFailure(new Status(StatusCode.Unavailable, detail, exception)));
        }
    }

    protected override void Dispose(bool disposing)
    {
        _timer?.Dispose();
        base.Dispose(disposing);
    }

    private BalancerAddress ToAddress(IPAddress ip)
    {
        var address = new BalancerAddress(ip.ToString(), _port);
        address.Attributes.Set(ConnectionManager.HostOverride, _authority);
        return address;
    }
}

/// <summary>Delays that grow by 1.6 up to a cap, each off by up to a fifth so that clients do not move in step.</summary>
internal sealed class ExponentialBackoffPolicyFactory(TimeSpan initial, TimeSpan? max) : IBackoffPolicyFactory
{
    private const double Multiplier = 1.6;
    private const double Jitter = 0.2;

    public IBackoffPolicy Create() => new Policy(initial, max ?? TimeSpan.MaxValue);

    private sealed class Policy(TimeSpan initial, TimeSpan max) : IBackoffPolicy
    {
        private double _ticks = Math.Min(initial.Ticks, max.Ticks);

        public TimeSpan NextBackoff()
        {
            var now = _ticks;
            _ticks = Math.Min(now * Multiplier, Math.Min(max.Ticks, TimeSpan.FromDays(1).Ticks));
            return TimeSpan.FromTicks((long)(now * (1 + (Jitter * ((Random.Shared.NextDouble() * 2) - 1)))));
        }
    }
}
