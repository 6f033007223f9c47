using BenchmarkDotNet.Attributes;
using Mesh.Testing.V1;

namespace Mesh.Benchmarks.Grpc;

/// <summary>One small call and its reply.</summary>
public class UnaryBenchmarks : GrpcBenchmark
{
    private static readonly TestRequest Request = new() { Text = "a short text" };

    [Benchmark(Baseline = true)]
    public async Task<TestReply> Call() => await Client.UnaryAsync(Request);

    [Benchmark]
    public async Task<TestReply> CallWithDeadline() => await Client.UnaryAsync(Request, deadline: DateTime.UtcNow.AddMinutes(1));

    [Benchmark(OperationsPerInvoke = 64)]
    public async Task SixtyFourCallsAtOnce()
    {
        var calls = new Task<TestReply>[64];
        for (var i = 0; i < calls.Length; i++)
            calls[i] = Client.UnaryAsync(Request).ResponseAsync;
        await Task.WhenAll(calls);
    }
}
