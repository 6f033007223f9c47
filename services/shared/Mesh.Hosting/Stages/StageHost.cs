using System.Diagnostics.Metrics;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Health;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mesh.Hosting.Stages;

/// <summary>How a stage's service is made of its parts.</summary>
public static class StageHost
{
    private const int MaxUnfinishedOfStream = 256;

    /// <summary>The options that every stage reads: device, catalogue, memory, batching.</summary>
    public static void AddStageOptions(this WebApplicationBuilder builder)
    {
        builder.AddMeshOptions<DeviceOptions>(DeviceOptions.SectionName);
        builder.AddMeshOptions<CatalogueOptions>(CatalogueOptions.SectionName);
        builder.AddMeshOptions<ModelMemoryOptions>(ModelMemoryOptions.SectionName);
        builder.AddMeshOptions<BatchingOptions>(BatchingOptions.SectionName);
    }

    /// <summary>
    /// Registers a stage's engine. The service itself registers <see cref="IStageWork{TModel, TKey, TItem, TResult}"/>,
    /// <see cref="IModelSource{TModel}"/> and <see cref="StageDevice"/>.
    /// </summary>
    public static void AddStage<TModel, TKey, TItem, TResult>(this WebApplicationBuilder builder)
        where TModel : class, IDisposable
        where TKey : IEquatable<TKey>
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.AddStageOptions();
        builder.Services.AddSingleton(MakeStore<TModel>);
        builder.Services.AddSingleton(MakeEngine<TModel, TKey, TItem, TResult>);
        builder.Services.AddSingleton<IStageControl>(x => x.GetRequiredService<StageEngine<TModel, TKey, TItem, TResult>>());
        builder.Services.AddHostedService(x => x.GetRequiredService<StageEngine<TModel, TKey, TItem, TResult>>());
    }

    /// <summary>Serves mesh.stage.v1.StageService.</summary>
    public static void MapStage(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.MapGrpcService<StageServiceEndpoint>();
    }

    /// <summary>What serves a stage's streams.</summary>
    /// <param name="services">The service's.</param>
    /// <param name="protocol">How the messages look.</param>
    /// <param name="handler">Does the work.</param>
    public static WorkServer<TRequest, TResponse> WorkServer<TRequest, TResponse>(
        this IServiceProvider services, WorkProtocol<TRequest, TResponse> protocol, WorkHandler<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class => new(
            protocol, handler, MaxUnfinishedOfStream,
            services.GetRequiredService<FaultReporter>(), services.GetRequiredService<TimeProvider>(), services.GetRequiredService<Drain>().Token);

    private static ModelStore<TModel> MakeStore<TModel>(IServiceProvider services)
        where TModel : class, IDisposable
    {
        var memory = services.GetRequiredService<IOptions<ModelMemoryOptions>>().Value;
        return new(
            services.GetRequiredService<IModelSource<TModel>>(),
            memory.BudgetOn(services.GetRequiredService<StageDevice>()),
            memory.Patience,
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<ModelStore<TModel>>>());
    }

    private static StageEngine<TModel, TKey, TItem, TResult> MakeEngine<TModel, TKey, TItem, TResult>(IServiceProvider services)
        where TModel : class, IDisposable
        where TKey : IEquatable<TKey> => new(
            services.GetRequiredService<IStageWork<TModel, TKey, TItem, TResult>>(),
            services.GetRequiredService<IModelSource<TModel>>(),
            services.GetRequiredService<ModelStore<TModel>>(),
            new StageSurroundings(
                services.GetRequiredService<IOptions<BatchingOptions>>().Value.ToBatcherOptions(),
                services.GetRequiredService<StageDevice>(),
                services.GetRequiredService<Readiness>(),
                services.GetRequiredService<IMeterFactory>(),
                services.GetRequiredService<TimeProvider>(),
                services.GetRequiredService<ILogger<StageEngine<TModel, TKey, TItem, TResult>>>()));
}
