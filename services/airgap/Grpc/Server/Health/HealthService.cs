using System.Diagnostics.CodeAnalysis;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Grpc.AspNetCore.HealthChecks.Internal;

/// <summary>grpc.health.v1 over ASP.NET's health checks.</summary>
[SuppressMessage("Performance", "CA1812", Justification = "The container creates it.")]
internal sealed class HealthService(
    HealthServiceImpl table, HealthCheckService checks, IOptions<GrpcHealthChecksOptions> options, IHostApplicationLifetime lifetime)
    : Grpc.Health.V1.Health.HealthBase
{
    private readonly GrpcHealthChecksOptions _options = options.Value;

    public override async Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context)
    {
        if (_options.UseHealthChecksCache)
            return await table.Check(request, context).ConfigureAwait(false);

        if (!_options.Services.TryGet(request.Service, out var mapping))
            throw new RpcException(new Status(StatusCode.NotFound, ""));

        return new HealthCheckResponse { Status = await RunAsync(mapping, context.CancellationToken).ConfigureAwait(false) };
    }

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        var canceled = context.CancellationToken;
        var writer = _options.UseHealthChecksCache ? responseStream : new FreshFirstWriter(this, request.Service, responseStream, canceled);
        if (_options.SuppressCompletionOnShutdown)
        {
            await table.Watch(request, writer, context).ConfigureAwait(false);
            return;
        }

        // An open watch would hold up the server's stop for as long as its caller likes.
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(canceled, lifetime.ApplicationStopping);
        await table.Watch(request, writer, new WatchContext(context, ending.Token)).ConfigureAwait(false);
        if (!canceled.IsCancellationRequested && lifetime.ApplicationStopping.IsCancellationRequested)
            await responseStream.WriteAsync(new HealthCheckResponse { Status = ServingStatus.NotServing }).ConfigureAwait(false);
    }

    private async Task<ServingStatus> RunAsync(ServiceMapping mapping, CancellationToken cancellation)
    {
        var report = await checks.CheckHealthAsync(
            check => mapping.HealthCheckPredicate is not { } picks || picks(new HealthCheckMapContext(check.Name, check.Tags)),
            cancellation).ConfigureAwait(false);
        return HealthStatuses.Resolve(mapping, report);
    }

    /// <summary>The first status of a watch is that of checks run now; the later ones are published.</summary>
    private sealed class FreshFirstWriter(
        HealthService service, string name, IServerStreamWriter<HealthCheckResponse> inner, CancellationToken cancellation) : IServerStreamWriter<HealthCheckResponse>
    {
        private bool _begun;

        public WriteOptions? WriteOptions
        {
            get => inner.WriteOptions;
            set => inner.WriteOptions = value;
        }

        public async Task WriteAsync(HealthCheckResponse message)
        {
            if (!_begun)
            {
                _begun = true;
                var status = service._options.Services.TryGet(name, out var mapping)
                    ? await service.RunAsync(mapping, cancellation).ConfigureAwait(false)
                    : ServingStatus.ServiceUnknown;
                message = new HealthCheckResponse { Status = status };
            }

            await inner.WriteAsync(message).ConfigureAwait(false);
        }
    }

    /// <summary>A call whose token the application's end cancels as well.</summary>
    private sealed class WatchContext(ServerCallContext inner, CancellationToken cancellation) : ServerCallContext
    {
        protected override string MethodCore => inner.Method;

        protected override string HostCore => inner.Host;

        protected override string PeerCore => inner.Peer;

        protected override DateTime DeadlineCore => inner.Deadline;

        protected override Metadata RequestHeadersCore => inner.RequestHeaders;

        protected override CancellationToken CancellationTokenCore => cancellation;

        protected override Metadata ResponseTrailersCore => inner.ResponseTrailers;

        protected override Status StatusCore
        {
            get => inner.Status;
            set => inner.Status = value;
        }

        protected override WriteOptions? WriteOptionsCore
        {
            get => inner.WriteOptions;
            set => inner.WriteOptions = value;
        }

        protected override AuthContext AuthContextCore => inner.AuthContext;

        protected override IDictionary<object, object> UserStateCore => inner.UserState;

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => inner.CreatePropagationToken(options);

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => inner.WriteResponseHeadersAsync(responseHeaders);
    }
}
