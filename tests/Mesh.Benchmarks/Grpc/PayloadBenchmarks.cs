using BenchmarkDotNet.Attributes;
using Google.Protobuf;
using Mesh.Testing.V1;

namespace Mesh.Benchmarks.Grpc;

/// <summary>One message with a payload, there and back.</summary>
public class PayloadBenchmarks : GrpcBenchmark
{
    private TestRequest _request = null!;

    [Params(64 * 1024, 1024 * 1024)]
    public int Bytes { get; set; }

    [Benchmark]
    public async Task<TestReply> Echo() => await Client.UnaryAsync(_request);

    protected override void Prepare() => _request = new TestRequest { Payload = ByteString.CopyFrom(new byte[Bytes]) };
}
