using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Mesh.Contracts.Generator.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Work = Mesh.Contracts.Generator.V1.GenerateRequest;

namespace Mesh.FunctionalTests;

/// <summary>
/// Stands before the generator and passes everything on, over sockets as the gateway itself would. On the way it may change what is asked and what is
/// answered, so that a mesh can be given the noise of golden data and its latents be seen.
/// </summary>
public sealed class GeneratorRelay : IAsyncDisposable
{
    private TestServer? _server;
    private GrpcChannel? _channel;

    /// <summary>Changes a piece of work.</summary>
    public Action<Work> Asked { get; set; } = _ => { };

    /// <summary>Sees, and may change, the answer to a piece of work.</summary>
    public Action<GenerateResponse> Answered { get; set; } = _ => { };

    /// <summary>Starts it before a generator.</summary>
    /// <param name="socket">The generator's.</param>
    /// <returns>The endpoint for the gateway.</returns>
    public async Task<string> StartAsync(string socket)
    {
        _channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler { ConnectCallback = UnixSocketDialer.To(socket) },
            DisposeHttpClient = true,
            MaxReceiveMessageSize = null,
            MaxSendMessageSize = null,
        });
        _server = await TestServer.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc(x => (x.MaxReceiveMessageSize, x.MaxSendMessageSize) = (null, null));
                builder.Services.AddSingleton(this);
            },
            app =>
            {
                app.MapGrpcService<WorkService>();
                app.MapGrpcService<AboutService>();
                app.MapGrpcService<HealthService>();
            },
            Transport.UnixSocket);
        return "unix:" + _server.SocketPath;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        _channel?.Dispose();
    }

    private sealed class WorkService(GeneratorRelay relay) : GeneratorService.GeneratorServiceBase
    {
        public override async Task Generate(IAsyncStreamReader<Work> requestStream, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context)
        {
            using var call = new GeneratorService.GeneratorServiceClient(relay._channel!).Generate(cancellationToken: context.CancellationToken);
            var asking = AskAsync(requestStream, call.RequestStream, context.CancellationToken);
            await foreach (var answer in call.ResponseStream.ReadAllAsync(context.CancellationToken))
            {
                relay.Answered(answer);
                await responseStream.WriteAsync(answer, context.CancellationToken);
            }
            await asking;
        }

        private async Task AskAsync(IAsyncStreamReader<Work> from, IClientStreamWriter<Work> to, CancellationToken cancel)
        {
            await foreach (var work in from.ReadAllAsync(cancel))
            {
                if (!work.Cancel) relay.Asked(work);
                await to.WriteAsync(work, cancel);
            }
            await to.CompleteAsync();
        }
    }

    private sealed class AboutService(GeneratorRelay relay) : StageService.StageServiceBase
    {
        public override async Task<GetStageResponse> GetStage(GetStageRequest request, ServerCallContext context) =>
            await new StageService.StageServiceClient(relay._channel!).GetStageAsync(request, cancellationToken: context.CancellationToken);
    }

    private sealed class HealthService(GeneratorRelay relay) : Health.HealthBase
    {
        public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
        {
            using var call = new Health.HealthClient(relay._channel!).Watch(request, cancellationToken: context.CancellationToken);
            await foreach (var answer in call.ResponseStream.ReadAllAsync(context.CancellationToken)) await responseStream.WriteAsync(answer, context.CancellationToken);
        }
    }
}
