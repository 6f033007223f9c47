using Grpc.AspNetCore.HealthChecks;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Health;
using Mesh.Hosting.Listening;
using Mesh.Hosting.Peers;
using Mesh.Hosting.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using ListenOptions = Mesh.Hosting.Configuration.ListenOptions;

namespace Mesh.Hosting;

/// <summary>
/// How every service is made: <see cref="Create"/>, its own options and registrations, <see cref="BuildMesh"/>, its own gRPC services.
/// </summary>
public static class MeshHost
{
    /// <summary>Begins a service: configuration, logs, gRPC with the mesh's faults, health, reflection, metrics.</summary>
    /// <param name="service">What it is.</param>
    /// <param name="args">The command line: <c>--config FILE</c>, <c>--Mesh:Section:Key=VALUE</c>.</param>
    /// <param name="settings">Laid over all other configuration, such as <c>Mesh:Listen:Grpc</c>.</param>
    /// <exception cref="ConfigurationException">The command line or the configuration file cannot be read.</exception>
    public static WebApplicationBuilder Create(MeshService service, string[] args, IReadOnlyDictionary<string, string?>? settings = null)
    {
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(args);
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory, EnvironmentName = Environments.Production });
        ConfigurationSources.Apply(builder.Configuration, args, settings);
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("Microsoft.Hosting", LogLevel.Warning).AddFilter("Grpc", LogLevel.Warning);
        var services = builder.Services;
        services.AddSingleton(service);
        services.AddSingleton(new ConfigurationSchema());
        services.AddSingleton(new Readiness());
        services.AddSingleton(_ => new Drain());
        services.TryAddSingleton(TimeProvider.System);
        services.AddMetrics();
        services.AddSingleton<RunningCalls>();
        services.AddSingleton<CallMetrics>();
        services.AddSingleton<ServiceMetrics>();
        services.AddSingleton<PrometheusMetrics>();
        services.AddSingleton<TelemetryExport>();
        services.AddSingleton<FaultReporter>();
        services.AddSingleton<CallInterceptor>();
        services.AddSingleton<PeerChannels>();
        services.AddSingleton<IMemoryPoolFactory<byte>, LargeBlocks>();
        services.AddHostedService<ServiceLifecycle>();
        services.AddGrpc(options =>
        {
            options.MaxReceiveMessageSize = service.MaxReceiveBytes;
            options.MaxSendMessageSize = service.MaxSendBytes;
            options.Interceptors.Add<CallInterceptor>();
        });
        services.AddGrpcHealthChecks(options => options.UseHealthChecksCache = true);
        // The lifecycle alone says how services are; the framework's own poll would come late and say otherwise.
        services.PostConfigure<GrpcHealthChecksOptions>(options => options.Services.Clear());
        services.AddGrpcReflection();
        builder.AddMeshOptions<ListenOptions>(ListenOptions.SectionName);
        builder.AddMeshOptions<TlsOptions>(TlsOptions.SectionName);
        builder.AddMeshOptions<PeerOptions>(PeerOptions.SectionName);
        builder.AddMeshOptions<DrainOptions>(DrainOptions.SectionName);
        builder.AddMeshOptions<TelemetryOptions>(TelemetryOptions.SectionName);
        return builder;
    }

    /// <summary>Binds a section under <c>Mesh</c> to options, and lets <see cref="BuildMesh"/> check it by its annotations, those of what it holds, and its <see cref="IValidateOptions{T}"/>.</summary>
    /// <param name="builder">Of a service.</param>
    /// <param name="section">Such as <c>Batching</c>; empty: the properties' names stand directly under <c>Mesh</c>, beside the sections.</param>
    public static OptionsBuilder<T> AddMeshOptions<T>(this WebApplicationBuilder builder, string section) where T : class, new()
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(section);
        builder.Registered<ConfigurationSchema>().Add(section, typeof(T));
        return builder.Services.AddOptions<T>().BindConfiguration(ConfigurationSchema.PathOf(section)).ValidateOnStart();
    }

    /// <summary>Options before the service is built; they are checked only by <see cref="BuildMesh"/>, so decide no more by them than what to register.</summary>
    /// <exception cref="ConfigurationException">Something that is registered so far cannot be bound.</exception>
    public static T ReadMeshOptions<T>(this WebApplicationBuilder builder, string section) where T : class, new()
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(section);
        var check = new ConfigurationCheck();
        var at = builder.Configuration.GetSection(ConfigurationSchema.PathOf(section));
        if (section.Length > 0) check.Value(at, typeof(T));
        return check.Faults.Count > 0 ? throw new ConfigurationException(check.Faults) : at.Get<T>() ?? new();
    }

    /// <summary>Something must be there before the service is ready; <see cref="Readiness.Open"/> says when it is.</summary>
    public static void RequireReady(this WebApplicationBuilder builder, string name, string why) => builder.Registered<Readiness>().Close(name, why);

    /// <summary>Checks the whole configuration, builds the service and maps health, reflection and metrics; the caller maps its own services then.</summary>
    /// <exception cref="ConfigurationException">Unknown keys, bad values, or an address that is not safe to listen on; all of them at once.</exception>
    public static WebApplication BuildMesh(this WebApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var faults = builder.Registered<ConfigurationSchema>().Check(builder.Configuration);
        if (faults.Count > 0) throw new ConfigurationException(faults);
        var service = builder.Registered<MeshService>();
        var plan = ListenPlan.Read(service, builder.Configuration);
        var drain = builder.ReadMeshOptions<DrainOptions>(DrainOptions.SectionName);
        builder.Services.AddSingleton(new ServiceAddresses(plan));
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = drain.Delay + drain.Timeout);
        if (!drain.OnSignal) builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, UnsignalledLifetime>());
        if (builder.ReadMeshOptions<TelemetryOptions>(TelemetryOptions.SectionName).Logs == "json") builder.Logging.AddJsonConsole(options => (options.IncludeScopes, options.UseUtcTimestamp) = (true, true));
        else builder.Logging.AddSimpleConsole(options => (options.SingleLine, options.UseUtcTimestamp, options.TimestampFormat) = (true, true, "yyyy-MM-ddTHH:mm:ss.fffZ "));
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(plan.Configure);
        var app = builder.Build();
        Validate(app.Services);
        app.Use(app.Services.GetRequiredService<RunningCalls>().InvokeAsync);
        app.MapGrpcHealthChecksService();
        if (app.Services.GetRequiredService<IOptions<ListenOptions>>().Value.Reflection) app.MapGrpcReflectionService();
        HealthEndpoints.Map(app, app.Services.GetRequiredService<Readiness>());
        MapMetrics(app);
        return app;
    }

    /// <summary>Where a started service listens.</summary>
    public static ServiceAddresses Addresses(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        return app.Services.GetRequiredService<ServiceAddresses>();
    }

    private static void MapMetrics(WebApplication app)
    {
        // Those that listen come before those that measure.
        app.Services.GetRequiredService<TelemetryExport>();
        var metrics = app.Services.GetRequiredService<PrometheusMetrics>();
        app.Services.GetRequiredService<ServiceMetrics>();
        app.MapGet("/metrics", () => Results.Text(metrics.Write(), PrometheusMetrics.ContentType));
    }

    private static void Validate(IServiceProvider services)
    {
        try
        {
            services.GetService<IStartupValidator>()?.Validate();
        }
        catch (Exception e) when (FailuresOf(e) is { Count: > 0 } faults)
        {
            throw new ConfigurationException(faults);
        }
    }

    private static IReadOnlyList<string> FailuresOf(Exception exception) => exception switch
    {
        OptionsValidationException invalid => [.. invalid.Failures],
        AggregateException all => [.. all.InnerExceptions.SelectMany(FailuresOf)],
        _ => [],
    };

    internal static T Registered<T>(this WebApplicationBuilder builder) where T : class =>
        (T?)builder.Services.LastOrDefault(x => x.ServiceType == typeof(T))?.ImplementationInstance
        ?? throw new InvalidOperationException("The builder was not made by MeshHost.Create.");
}
