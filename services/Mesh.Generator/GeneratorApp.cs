using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Devices;
using Mesh.Hosting.Stages;
using Mesh.Models.Pipelines;

namespace Mesh.Generator;

/// <summary>The generator's service: noise and embeddings to latents.</summary>
public static class GeneratorApp
{
    /// <summary>Makes the service, not started.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <exception cref="ConfigurationException">The configuration is wrong; every fault is named.</exception>
    public static WebApplication Create(string[] args, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var builder = MeshHost.Create(new MeshService("generator", "127.0.0.1:50062"), args, settings);
        builder.AddStage<GeneratorPart, GenerateKey, GenerateItem, MadeLatent>();
        var services = builder.Services;
        services.AddSingleton(ComputeDevice.Open(builder.PinDevice(ComputeDevice.CudaNames())));
        services.AddSingleton(x => Tell(x.GetRequiredService<ComputeDevice>()));
        services.AddSingleton<IModelSource<GeneratorPart>, GeneratorModels>();
        services.AddSingleton<IStageWork<GeneratorPart, GenerateKey, GenerateItem, MadeLatent>, GenerateWork>();
        services.AddSingleton<GenerateEndpoint>();
        var app = builder.BuildMesh();
        app.MapGrpcService<GenerateEndpoint>();
        app.MapStage();
        return app;
    }

    private static StageDevice Tell(ComputeDevice device) => new(device.Name, device.Kind, ComputeDevice.LibraryVersion, device.MemoryBytes);
}
