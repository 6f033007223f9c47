using BenchmarkDotNet.Attributes;
using Mesh.Testing.V1;

namespace Mesh.Benchmarks.Grpc;

/// <summary>One small message of a stream.</summary>
public class StreamingBenchmarks : GrpcBenchmark
{
    private const int Messages = 1000;

    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task<int> ServerStream()
    {
        using var call = Client.ServerStream(new TestRequest { Text = "a short text", Count = Messages });
        var count = 0;
        while (await call.ResponseStream.MoveNext(default))
            count++;
        return count;
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task PingPong()
    {
        using var call = Client.Duplex();
        var request = new TestRequest { Text = "a short text" };
        for (var i = 0; i < Messages; i++)
        {
            await call.RequestStream.WriteAsync(request);
            await call.ResponseStream.MoveNext(default);
        }
        await call.RequestStream.CompleteAsync();
    }
}
