using Mesh.Gateway.Catalogue;
using Mesh.Gateway.Images;
using Mesh.Gateway.Keys;
using Mesh.Gateway.Operations;
using Mesh.Gateway.Replay;
using Mesh.Gateway.Stages;
using Mesh.Gateway.Web;
using Mesh.Hosting;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway;

/// <summary>The front door: gRPC at 127.0.0.1:50051, HTTP at 127.0.0.1:8080.</summary>
public static class GatewayApp
{
    private const int MaxReceiveBytes = 32 * 1024 * 1024;

    /// <summary>Makes the gateway; starting it is the caller's part.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <exception cref="Hosting.Configuration.ConfigurationException">It is not configured as it must be; every fault is told.</exception>
    public static WebApplication Create(string[] args, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var builder = MeshHost.Create(new MeshService("gateway", "127.0.0.1:50051", "127.0.0.1:8080") { MaxReceiveBytes = MaxReceiveBytes, HasKeys = ApiKeys.AreIn }, args, settings);
        AddOptions(builder);
        AddImages(builder.Services);
        builder.AddApiKeys().AddWebApi();
        foreach (var stage in new[] { StageNames.Text, StageNames.Generator, StageNames.Decoder }) builder.RequireReady($"{stage} stage", "it has not answered yet");
        var app = builder.BuildMesh();
        // Its clock starts when it is made: now, not when somebody first asks for it.
        _ = app.Services.GetRequiredService<GatewayStart>();
        app.UseApiKeys();
        app.MapWebApi();
        app.MapGrpcService<ImageGrpcService>();
        app.MapGrpcService<GatewayGrpcService>();
        return app;
    }

    private static void AddOptions(WebApplicationBuilder builder)
    {
        builder.AddMeshOptions<StagesOptions>(StagesOptions.SectionName).PostConfigure(x => x.FillDefaults());
        builder.AddMeshOptions<GatewayOptions>(GatewayOptions.SectionName);
        builder.AddMeshOptions<RedisOptions>(RedisOptions.SectionName);
    }

    private static void AddImages(IServiceCollection services)
    {
        services.AddSingleton<GatewayMetrics>();
        services.AddSingleton(x => new GatewayStart(x.GetRequiredService<TimeProvider>().GetUtcNow()));
        services.AddSingleton<MeshStages>().AddHostedService(x => x.GetRequiredService<MeshStages>());
        services.AddHostedService<StageReadiness>();
        services.AddSingleton(x => new ModelCatalogue(x.GetRequiredService<MeshStages>(), x.GetRequiredService<IOptions<StagesOptions>>().Value.Wait, x.GetRequiredService<TimeProvider>()));
        services.AddSingleton<GatewayRedis>();
        services.AddSingleton<EmbeddingCaches>();
        services.AddSingleton<EmbeddingSource>();
        services.AddSingleton<ReplayStore>();
        services.AddSingleton<RunRegistry>();
        services.AddSingleton<CallAdmission>();
        services.AddSingleton<FileEncoder>();
        services.AddSingleton<Enlarger>();
        services.AddSingleton<GeneratePlanner>();
        services.AddSingleton<UpscalePlanner>();
        services.AddSingleton<GenerateRunner>();
        services.AddSingleton<UpscaleRunner>();
        services.AddSingleton<IImages, ImageApplication>();
    }
}
