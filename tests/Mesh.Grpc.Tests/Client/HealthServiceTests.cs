using System.Threading.Channels;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Mesh.Testing;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Mesh.Grpc.Tests.Client;

public sealed class HealthServiceTests
{
    [Fact]
    public async Task Check_KnownAndUnknownService_StatusOrNotFound()
    {
        var service = new HealthServiceImpl();
        service.SetStatus("known", ServingStatus.Serving);

        (await CheckAsync(service, "known")).ShouldBe(ServingStatus.Serving);
        service.SetStatus("known", ServingStatus.NotServing);
        (await CheckAsync(service, "known")).ShouldBe(ServingStatus.NotServing);
        service.ClearStatus("known");
        (await Should.ThrowAsync<RpcException>(() => CheckAsync(service, "known"))).StatusCode.ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task Watch_StatusChanges_EachIsSentOnceAndCancellingEndsIt()
    {
        var service = new HealthServiceImpl();
        var writer = new Writer();
        using var source = new CancellationTokenSource();
        var watch = service.Watch(new HealthCheckRequest { Service = "s" }, writer, new Context(source.Token));

        (await writer.NextAsync()).ShouldBe(ServingStatus.ServiceUnknown);
        service.SetStatus("s", ServingStatus.Serving);
        (await writer.NextAsync()).ShouldBe(ServingStatus.Serving);
        service.SetStatus("s", ServingStatus.Serving);
        service.SetStatus("other", ServingStatus.NotServing);
        service.SetStatus("s", ServingStatus.NotServing);
        (await writer.NextAsync()).ShouldBe(ServingStatus.NotServing);
        service.ClearAll();
        (await writer.NextAsync()).ShouldBe(ServingStatus.ServiceUnknown);

        await source.CancelAsync();
        await watch.DefaultTimeout();
    }

    private static async Task<ServingStatus> CheckAsync(HealthServiceImpl service, string name) =>
        (await service.Check(new HealthCheckRequest { Service = name }, new Context(CancellationToken.None)).DefaultTimeout()).Status;

    private sealed class Writer : IServerStreamWriter<HealthCheckResponse>
    {
        private readonly Channel<ServingStatus> _sent = Channel.CreateUnbounded<ServingStatus>();

        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(HealthCheckResponse message) => _sent.Writer.WriteAsync(message.Status).AsTask();

        public Task<ServingStatus> NextAsync() => _sent.Reader.ReadAsync().DefaultTimeout();
    }

    private sealed class Context(CancellationToken cancellation) : ServerCallContext
    {
        protected override string MethodCore => "/grpc.health.v1.Health/Watch";

        protected override string HostCore => "localhost";

        protected override string PeerCore => "ipv4:127.0.0.1:1";

        protected override DateTime DeadlineCore => DateTime.MaxValue;

        protected override Metadata RequestHeadersCore { get; } = [];

        protected override CancellationToken CancellationTokenCore => cancellation;

        protected override Metadata ResponseTrailersCore { get; } = [];

        protected override Status StatusCore { get; set; }

        protected override WriteOptions? WriteOptionsCore { get; set; }

        protected override AuthContext AuthContextCore { get; } = new(null, []);

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => throw new NotSupportedException();

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
    }
}
