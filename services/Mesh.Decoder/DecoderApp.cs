using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Devices;
using Mesh.Hosting.Stages;
using Mesh.Models.Pipelines;

namespace Mesh.Decoder;

/// <summary>The decoder's service: latents to pixels.</summary>
public static class DecoderApp
{
    /// <summary>Makes the service, not started.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <exception cref="ConfigurationException">The configuration is wrong; every fault is named.</exception>
    public static WebApplication Create(string[] args, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var builder = MeshHost.Create(new MeshService("decoder", "127.0.0.1:50063"), args, settings);
        builder.AddStage<DecoderModel, DecodeKey, DecodeItem, DecodedPicture>();
        var services = builder.Services;
        services.AddSingleton(ComputeDevice.Open(builder.PinDevice(ComputeDevice.CudaNames())));
        services.AddSingleton(x => Tell(x.GetRequiredService<ComputeDevice>()));
        services.AddSingleton<IModelSource<DecoderModel>, DecoderModels>();
        services.AddSingleton<IStageWork<DecoderModel, DecodeKey, DecodeItem, DecodedPicture>, DecodeWork>();
        services.AddSingleton<DecodeEndpoint>();
        var app = builder.BuildMesh();
        app.MapGrpcService<DecodeEndpoint>();
        app.MapStage();
        return app;
    }

    private static StageDevice Tell(ComputeDevice device) => new(device.Name, device.Kind, ComputeDevice.LibraryVersion, device.MemoryBytes);
}
