using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Devices;
using Mesh.Trainer.Jobs;
using Mesh.Trainer.Promotion;
using Mesh.Trainer.Work;

namespace Mesh.Trainer;

/// <summary>The trainer's service: takes jobs, and works on them one at a time.</summary>
public static class TrainerApp
{
    /// <summary>Makes the service, not started.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <exception cref="ConfigurationException">The configuration is wrong; every fault is named.</exception>
    public static WebApplication Create(string[] args, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var builder = MeshHost.Create(new MeshService("trainer", "127.0.0.1:50065"), args, settings);
        builder.AddMeshOptions<TrainerOptions>(TrainerOptions.SectionName);
        builder.AddMeshOptions<DeviceOptions>(DeviceOptions.SectionName);
        if (builder.ReadMeshOptions<DeviceOptions>(DeviceOptions.SectionName).Name is not ("auto" or "cpu"))
            throw new ConfigurationException("Mesh:Device:Name: jobs compute on the CPU; name cpu or auto");
        builder.PinDevice([]);
        var services = builder.Services;
        services.AddSingleton<TrainerQueue>();
        services.AddSingleton<TrainerFolders>();
        services.AddSingleton<TrainerMetrics>();
        services.AddSingleton<JobMessages>();
        services.AddSingleton<Specifications>();
        services.AddSingleton<JobWatch>();
        services.AddSingleton<CheckpointLists>();
        services.AddSingleton<ModelShelf>();
        services.AddSingleton<ServingStages>();
        services.AddSingleton<Promotions>();
        services.AddSingleton<TrainerEndpoint>();
        services.AddSingleton<OperationsEndpoint>();
        services.AddHostedService<Worker>();
        var app = builder.BuildMesh();
        app.MapGrpcService<TrainerEndpoint>();
        app.MapGrpcService<OperationsEndpoint>();
        return app;
    }
}
