using Grpc.Core;
using Mesh.Testing.V1;

namespace Mesh.Benchmarks.Grpc;

/// <summary>The test service with nothing around it: what is measured is the way to it and back.</summary>
internal sealed class LoadService : TestService.TestServiceBase
{
    public override Task<TestReply> Unary(TestRequest request, ServerCallContext context) =>
        Task.FromResult(new TestReply { Text = request.Text, Payload = request.Payload });

    public override async Task ServerStream(TestRequest request, IServerStreamWriter<TestReply> responseStream, ServerCallContext context)
    {
        for (var index = 0; index < request.Count; index++)
            await responseStream.WriteAsync(new TestReply { Text = request.Text, Payload = request.Payload, Index = index });
    }

    public override async Task Duplex(IAsyncStreamReader<TestRequest> requestStream, IServerStreamWriter<TestReply> responseStream, ServerCallContext context)
    {
        while (await requestStream.MoveNext(context.CancellationToken))
            await responseStream.WriteAsync(new TestReply { Text = requestStream.Current.Text, Payload = requestStream.Current.Payload });
    }
}
