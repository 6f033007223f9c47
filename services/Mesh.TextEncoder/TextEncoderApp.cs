using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Devices;
using Mesh.Hosting.Stages;
using Mesh.Models.Pipelines;

namespace Mesh.TextEncoder;

/// <summary>The text encoder's service: prompts to embeddings.</summary>
public static class TextEncoderApp
{
    /// <summary>Makes the service, not started.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <exception cref="ConfigurationException">The configuration is wrong; every fault is named.</exception>
    public static WebApplication Create(string[] args, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var builder = MeshHost.Create(new MeshService("text", "127.0.0.1:50061"), args, settings);
        builder.AddStage<TextModel, LoraSet, TextItem, EncodedText>();
        var services = builder.Services;
        services.AddSingleton(ComputeDevice.Open(builder.PinDevice(ComputeDevice.CudaNames())));
        services.AddSingleton(x => Tell(x.GetRequiredService<ComputeDevice>()));
        services.AddSingleton<IModelSource<TextModel>, TextModels>();
        services.AddSingleton<IStageWork<TextModel, LoraSet, TextItem, EncodedText>, TextWork>();
        services.AddSingleton<TextEndpoint>();
        var app = builder.BuildMesh();
        app.MapGrpcService<TextEndpoint>();
        app.MapStage();
        return app;
    }

    private static StageDevice Tell(ComputeDevice device) => new(device.Name, device.Kind, ComputeDevice.LibraryVersion, device.MemoryBytes);
}
