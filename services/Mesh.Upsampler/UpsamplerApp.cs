using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Devices;
using Mesh.Hosting.Stages;
using Mesh.Models.Networks;
using Mesh.Models.Pipelines;

namespace Mesh.Upsampler;

/// <summary>The upsampler's service: images to images four times as wide and high, tile by tile. Without weights it runs all the same and says what to install.</summary>
public static class UpsamplerApp
{
    /// <summary>Makes the service, not started.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <exception cref="ConfigurationException">The configuration is wrong; every fault is named.</exception>
    public static WebApplication Create(string[] args, IReadOnlyDictionary<string, string?>? settings = null) =>
        Create(args, settings, seed => new SeededUpscaleNoise(seed));

    /// <param name="args">The command line.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <param name="noise">The random numbers of a seed.</param>
    internal static WebApplication Create(string[] args, IReadOnlyDictionary<string, string?>? settings, Func<ulong, IUpscaleNoise> noise)
    {
        var builder = MeshHost.Create(new MeshService("upsampler", "127.0.0.1:50064"), args, settings);
        builder.AddStage<UpsamplerNetwork, AnyPicture, UpscaleJob, FinishedTile?>();
        var services = builder.Services;

        // A batch of tiles would hardly be quicker, since each has kernels of its own, and its sums could depend on how many share it.
        services.PostConfigure<BatchingOptions>(x => x.MaxBatch = 1);
        services.AddSingleton(ComputeDevice.Open(builder.PinDevice(ComputeDevice.CudaNames())));
        services.AddSingleton(x => Tell(x.GetRequiredService<ComputeDevice>()));
        services.AddSingleton(noise);
        services.AddSingleton<IModelSource<UpsamplerNetwork>, UpsamplerModels>();
        services.AddSingleton<IStageWork<UpsamplerNetwork, AnyPicture, UpscaleJob, FinishedTile?>, UpscaleWork>();
        services.AddSingleton<UpsamplerEndpoint>();
        var app = builder.BuildMesh();
        app.MapGrpcService<UpsamplerEndpoint>();
        app.MapStage();
        return app;
    }

    private static StageDevice Tell(ComputeDevice device) => new(device.Name, device.Kind, ComputeDevice.LibraryVersion, device.MemoryBytes);
}
