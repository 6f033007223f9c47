using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Contracts.Text.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Hosting.Tests;

/// <summary>What every call of a probe does, before it answers emptily.</summary>
internal sealed record Behaviour(Func<ServerCallContext, Task> Run);

/// <summary>A service with one method of each kind that the mesh has.</summary>
internal static class ProbeApp
{
    public static MeshService Service { get; } = new("probe", "127.0.0.1:0", "127.0.0.1:0");

    public static IReadOnlyList<string> CudaDevices(int count) => [.. Enumerable.Range(0, count).Select(x => $"cuda:{x}")];

    public static WebApplication Create(
        string[] args, IReadOnlyDictionary<string, string?>? settings = null, Func<ServerCallContext, Task>? behaviour = null, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = MeshHost.Create(Service, args, settings);
        builder.Services.AddSingleton(new Behaviour(behaviour ?? (_ => Task.CompletedTask)));
        configure?.Invoke(builder);
        var app = builder.BuildMesh();
        app.MapGrpcService<Unary>();
        app.MapGrpcService<ServerStreaming>();
        app.MapGrpcService<Duplex>();
        return app;
    }

    private sealed class Unary(Behaviour behaviour) : StageService.StageServiceBase
    {
        public override async Task<GetStageResponse> GetStage(GetStageRequest request, ServerCallContext context)
        {
            await behaviour.Run(context);
            return new GetStageResponse { Stage = "probe" };
        }
    }

    private sealed class ServerStreaming(Behaviour behaviour) : ImageService.ImageServiceBase
    {
        public override async Task Upscale(UpscaleRequest request, IServerStreamWriter<UpscaleResponse> responseStream, ServerCallContext context)
        {
            await responseStream.WriteAsync(new UpscaleResponse { Sequence = 1 });
            await behaviour.Run(context);
        }
    }

    private sealed class Duplex(Behaviour behaviour) : TextEncoderService.TextEncoderServiceBase
    {
        public override async Task Encode(IAsyncStreamReader<EncodeRequest> requestStream, IServerStreamWriter<EncodeResponse> responseStream, ServerCallContext context)
        {
            await foreach (var request in requestStream.ReadAllAsync())
            {
                await behaviour.Run(context);
                await responseStream.WriteAsync(new EncodeResponse { Id = request.Id });
            }
        }
    }
}
