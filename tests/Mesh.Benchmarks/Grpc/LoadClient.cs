using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Net.Client;
using Mesh.Testing.V1;

namespace Mesh.Benchmarks.Grpc;

/// <summary>Our client as a process of its own: `PORT SCENARIO SECONDS CONCURRENCY`; writes how many replies came in how many seconds.</summary>
internal sealed class LoadClient(TestService.TestServiceClient client, string scenario, CancellationToken stop)
{
    private readonly TestRequest _request = Requests[scenario];
    private long _count;

    /// <summary>What each scenario sends.</summary>
    public static IReadOnlyDictionary<string, TestRequest> Requests { get; } = new Dictionary<string, TestRequest>
    {
        ["unary"] = new() { Text = "a short text" },
        ["stream"] = new() { Text = "a short text", Count = 10000 },
        ["payload_64k"] = new() { Payload = ByteString.CopyFrom(new byte[64 * 1024]) },
        ["payload_1m"] = new() { Payload = ByteString.CopyFrom(new byte[1024 * 1024]) },
    };

    public static async Task<int> RunAsync(string[] args)
    {
        var seconds = double.Parse(args[2], CultureInfo.InvariantCulture);
        var concurrency = int.Parse(args[3], CultureInfo.InvariantCulture);
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{args[0]}", new GrpcChannelOptions { MaxReceiveMessageSize = null });
        using var stop = new CancellationTokenSource();
        var load = new LoadClient(new TestService.TestServiceClient(channel), args[1], stop.Token);
        var workers = Enumerable.Range(0, concurrency).Select(_ => Task.Run(load.WorkAsync)).ToArray();
        await Task.Delay(TimeSpan.FromSeconds(seconds / 2));
        var (count, start) = (Interlocked.Read(ref load._count), Stopwatch.GetTimestamp());
        await Task.WhenAny([Task.Delay(TimeSpan.FromSeconds(seconds)), .. workers]);
        var result = new { count = Interlocked.Read(ref load._count) - count, seconds = Stopwatch.GetElapsedTime(start).TotalSeconds };
        await stop.CancelAsync();
        await Task.WhenAll(workers);
        Console.WriteLine(JsonSerializer.Serialize(result));
        return 0;
    }

    /// <summary>One call after the other until told to stop; counts replies.</summary>
    private async Task WorkAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            if (scenario == "stream")
            {
                await ReadStreamAsync();
                continue;
            }
            await client.UnaryAsync(_request);
            Interlocked.Increment(ref _count);
        }
    }

    private async Task ReadStreamAsync()
    {
        using var call = client.ServerStream(_request);
        while (!stop.IsCancellationRequested && await call.ResponseStream.MoveNext(default))
            Interlocked.Increment(ref _count);
    }
}
