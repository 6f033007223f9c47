using Mesh.Gateway.Images;
using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Keys;

/// <summary>API keys in the gateway.</summary>
internal static class ApiKeys
{
    /// <summary>Whether a configuration asks callers for keys.</summary>
    public static bool AreIn(IConfiguration configuration) => configuration.GetSection($"{MeshSections.Root}:{ApiKeyOptions.SectionName}").GetChildren().Any();

    /// <summary>Adds the keys, and lays their limits around the <see cref="IImages"/> that is registered already.</summary>
    public static WebApplicationBuilder AddApiKeys(this WebApplicationBuilder builder)
    {
        builder.AddMeshOptions<KeysOptions>("");
        var services = builder.Services;
        services.AddSingleton(x => new ApiKeyRing(x.GetRequiredService<IOptions<KeysOptions>>().Value.Keys));
        services.AddSingleton(x => new KeyQuotas(x.GetRequiredService<IOptions<KeysOptions>>().Value.Keys, x.GetRequiredService<TimeProvider>()));
        var inner = services.Last(x => x.ServiceType == typeof(IImages));
        services.AddSingleton<IImages>(x => new KeyedImages(Create(x, inner), x.GetRequiredService<KeyQuotas>()));
        return builder;
    }

    /// <summary>Asks every request for its key; before anything else answers.</summary>
    public static void UseApiKeys(this WebApplication app) => app.UseMiddleware<KeyMiddleware>();

    private static IImages Create(IServiceProvider services, ServiceDescriptor descriptor) => (IImages)(
        descriptor.ImplementationInstance
        ?? descriptor.ImplementationFactory?.Invoke(services)
        ?? ActivatorUtilities.CreateInstance(services, descriptor.ImplementationType!));
}
