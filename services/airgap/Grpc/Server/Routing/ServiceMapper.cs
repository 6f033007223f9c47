using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Which services of the application have their answers for unknown methods, and for unknown services, mapped already.</summary>
internal sealed class MappedServices
{
    internal HashSet<string> Names { get; } = new(StringComparer.Ordinal);

    internal bool HasUnimplementedService { get; set; }
}

/// <summary>Maps a service's methods, and the answers for those that it lacks.</summary>
internal static class ServiceMapper
{
    internal static GrpcServiceEndpointConventionBuilder Map<TService>(IEndpointRouteBuilder routes)
        where TService : class
    {
        var services = routes.ServiceProvider;
        var factory = CreateFactory(services, services.GetRequiredService<IGrpcServiceActivator<TService>>());
        var context = new ServiceMethodProviderContext<TService>(factory, argument: null);
        foreach (var provider in services.GetServices<IServiceMethodProvider<TService>>())
            provider.OnServiceMethodDiscovery(context);

        return Map(routes, context, factory);
    }

    internal static GrpcServiceEndpointConventionBuilder Map(IEndpointRouteBuilder routes, ServerServiceDefinition definition)
    {
        var factory = CreateFactory(routes.ServiceProvider, new DefinitionActivator(definition));
        var context = new ServiceMethodProviderContext<ServerServiceDefinition>(factory, definition);
        definition.BindService(new DefinitionBinder(context));
        return Map(routes, context, factory);
    }

    private static CallHandlerFactory<TService> CreateFactory<TService>(IServiceProvider services, IGrpcServiceActivator<TService> activator)
        where TService : class
        => new(
            services.GetRequiredService<ILoggerFactory>(),
            services.GetRequiredService<IOptions<GrpcServiceOptions>>(),
            services.GetRequiredService<IOptions<GrpcServiceOptions<TService>>>(),
            activator);

    private static GrpcServiceEndpointConventionBuilder Map<TService>(
        IEndpointRouteBuilder routes, ServiceMethodProviderContext<TService> context, CallHandlerFactory<TService> factory)
        where TService : class
    {
        var builders = new List<IEndpointConventionBuilder>();
        foreach (var method in context.Methods)
        {
            var builder = routes.Map(method.Pattern, method.Handler);
            builder.Add(endpoint =>
            {
                endpoint.DisplayName = $"gRPC - {method.Pattern.RawText}";
                endpoint.Metadata.Add(new GrpcMethodMetadata(typeof(TService), method.Method));
                foreach (var item in method.Metadata)
                    endpoint.Metadata.Add(item);
            });
            builders.Add(builder);
        }

        if (context.Methods.Count == 0)
            ServerLog.NoServiceMethodsDiscovered(routes.ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger(ServerLog.CallCategory), typeof(TService));

        MapUnimplemented(routes, context, factory, builders);
        return new GrpcServiceEndpointConventionBuilder(builders);
    }

    private static void MapUnimplemented<TService>(
        IEndpointRouteBuilder routes, ServiceMethodProviderContext<TService> context, CallHandlerFactory<TService> factory, List<IEndpointConventionBuilder> builders)
        where TService : class
    {
        var mapped = routes.ServiceProvider.GetRequiredService<MappedServices>();
        if (!factory.IgnoreUnknownServices && !mapped.HasUnimplementedService)
        {
            mapped.HasUnimplementedService = true;
            var pattern = $"{{unimplementedService}}/{{unimplementedMethod:{GrpcRequestConstraint.Name}}}";
            builders.Add(MapAnswer(routes, pattern, "Unimplemented service", factory.CreateUnimplementedService()));
        }

        if (factory.IgnoreUnknownMethods)
            return;

        foreach (var name in context.Methods.Select(m => m.Method.ServiceName).Distinct().Where(mapped.Names.Add))
        {
            var pattern = $"{name}/{{unimplementedMethod:{GrpcRequestConstraint.Name}}}";
            builders.Add(MapAnswer(routes, pattern, $"Unimplemented method for {name}", factory.CreateUnimplementedMethod()));
        }
    }

    private static IEndpointConventionBuilder MapAnswer(IEndpointRouteBuilder routes, string pattern, string name, RequestDelegate handler)
    {
        var builder = routes.Map(RoutePatternFactory.Parse(pattern), handler);

        // That it takes POST alone is the constraint's to say: as metadata it would answer 405 to other requests for any path of two segments.
        builder.Add(endpoint => endpoint.DisplayName = $"gRPC - {name}");
        return builder;
    }
}

/// <summary>Matches gRPC calls alone, so that the answers for unknown ones leave other requests to other endpoints.</summary>
internal sealed class GrpcRequestConstraint : IRouteConstraint
{
    internal const string Name = "grpcunimplemented";

    public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection)
        => httpContext is not null
            && (GrpcProtocol.IsCorsPreflight(httpContext.Request)
                || (HttpMethods.IsPost(httpContext.Request.Method) && GrpcProtocol.IsGrpcContentType(httpContext.Request.ContentType)));
}
