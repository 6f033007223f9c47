using Grpc.Health.V1;
using Grpc.Net.Client;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Testing;

namespace Mesh.FunctionalTests;

/// <summary>A mesh from outside: its gateway's services, and what its stages say of themselves.</summary>
public sealed class MeshFront : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly string _gateway;
    private readonly Func<string, string> _socketOf;
    private readonly Dictionary<string, GrpcChannel> _stages = [];
    private readonly GrpcChannel _channel;
    private readonly HttpClient? _http;

    /// <param name="gateway"><c>http://host:port</c> or <c>unix:/path</c>.</param>
    /// <param name="socketOf">The socket of a stage's replica of a name.</param>
    /// <param name="http">The socket of the gateway's HTTP; null: it is not asked.</param>
    public MeshFront(string gateway, Func<string, string> socketOf, string? http = null)
    {
        if (http is not null) _http = new(new SocketsHttpHandler { ConnectCallback = UnixSocketDialer.To(http) }) { BaseAddress = new("http://localhost"), Timeout = TimeoutExtensions.Default };
        (_gateway, _socketOf) = (gateway, socketOf);
        _channel = Open(gateway);
        Images = new(_channel);
        Operations = new(_channel);
    }

    public ImageService.ImageServiceClient Images { get; }

    public GatewayService.GatewayServiceClient Operations { get; }

    /// <summary>A connection of its own to the gateway.</summary>
    public GrpcChannel Connect() => Open(_gateway);

    /// <summary>Waits until the gateway says that the mesh serves, and each stage's replicas too.</summary>
    /// <param name="replicas">How many there are.</param>
    /// <param name="locked">Whether more than its health is told only to callers with keys.</param>
    public async Task ReadyAsync(int replicas, bool locked = false)
    {
        using var watch = new Health.HealthClient(_channel).Watch(new HealthCheckRequest(), deadline: DateTime.UtcNow + TimeoutExtensions.Default);
        do (await watch.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue("the gateway stopped telling how it is");
        while (watch.ResponseStream.Current.Status != HealthCheckResponse.Types.ServingStatus.Serving);
        if (!locked) await WhenAsync(x => x.Replicas.Count(y => y.State == ReplicaState.Serving) == replicas);
    }

    /// <summary>The mesh as its gateway sees it.</summary>
    public async Task<GetStatusResponse> StatusAsync() => await Operations.GetStatusAsync(new GetStatusRequest()).ResponseAsync.DefaultTimeout();

    /// <summary>Waits until the gateway says so.</summary>
    public Task<GetStatusResponse> WhenAsync(Func<GetStatusResponse, bool> so) => PollAsync(StatusAsync, so);

    /// <summary>Waits until the gateway has work with a stage, by its metrics: these it tells without asking the stage, which may stand still.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="replica">One of its replicas, by the end of its address; empty: any.</param>
    public Task WhenWorkingAsync(string stage, string replica = "") => WhenMetricsAsync(lines => lines.Any(x =>
        x.StartsWith("mesh_gateway_replica_in_flight{", StringComparison.Ordinal) && x.Contains($"stage=\"{stage}\"", StringComparison.Ordinal)
        && x.Contains(replica + "\"", StringComparison.Ordinal) && !x.EndsWith(" 0", StringComparison.Ordinal)));

    /// <summary>Waits until every permit for an image is back.</summary>
    public Task WhenNoPermitIsOutAsync() => WhenMetricsAsync(lines => lines.Contains("mesh_gateway_in_flight 0"));

    /// <summary>A stage's replica as it is now, asked for directly.</summary>
    public async Task<GetStageResponse> StageAsync(string stage, int replica = 0)
    {
        GrpcChannel? channel;
        lock (_stages)
        {
            var name = MeshLayout.NameOf(stage, replica);
            if (!_stages.TryGetValue(name, out channel)) _stages[name] = channel = Open("unix:" + _socketOf(name));
        }
        return await new StageService.StageServiceClient(channel).GetStageAsync(new GetStageRequest()).ResponseAsync.DefaultTimeout();
    }

    /// <summary>A replica's counters.</summary>
    public async Task<StageStatistics> CountersAsync(string stage, int replica = 0) => (await StageAsync(stage, replica)).Statistics;

    /// <summary>Waits until a replica's counters say so.</summary>
    public Task<StageStatistics> WhenStageAsync(string stage, Func<StageStatistics, bool> so, int replica = 0) => PollAsync(() => CountersAsync(stage, replica), so);

    public void Dispose()
    {
        _channel.Dispose();
        _http?.Dispose();
        foreach (var channel in _stages.Values) channel.Dispose();
    }

    /// <summary>Asks again until the answer is the right one. What is asked of is another process, which tells nobody by itself.</summary>
    private static async Task<T> PollAsync<T>(Func<Task<T>> ask, Func<T, bool> so)
    {
        using var end = new CancellationTokenSource(TimeoutExtensions.Default);
        while (true)
        {
            var answer = await ask();
            if (so(answer)) return answer;
            if (end.IsCancellationRequested) throw new TimeoutException($"It is still {answer}");
            await Task.Delay(Interval);
        }
    }

    private async Task WhenMetricsAsync(Func<IReadOnlyList<string>, bool> so) => await PollAsync(async () => (await _http!.GetStringAsync("/metrics")).Split('\n'), so);

    private static GrpcChannel Open(string address)
    {
        const string unix = "unix:";
        var handler = new SocketsHttpHandler { EnableMultipleHttp2Connections = true };
        if (address.StartsWith(unix, StringComparison.Ordinal)) handler.ConnectCallback = UnixSocketDialer.To(address[unix.Length..]);
        var uri = address.StartsWith(unix, StringComparison.Ordinal) ? "http://localhost" : address;
        return GrpcChannel.ForAddress(uri, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true, MaxReceiveMessageSize = null, MaxSendMessageSize = null });
    }
}
