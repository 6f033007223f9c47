using Grpc.AspNetCore.Server;
using Grpc.AspNetCore.Server.Internal;
using Grpc.AspNetCore.Server.Model;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server
{
    /// <summary>Goes on with the configuration of gRPC services.</summary>
    public interface IGrpcServerBuilder
    {
        /// <summary>The application's services.</summary>
        Microsoft.Extensions.DependencyInjection.IServiceCollection Services { get; }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Adds gRPC to an application.</summary>
    public static class GrpcServicesExtensions
    {
        /// <summary>Adds gRPC services.</summary>
        public static IGrpcServerBuilder AddGrpc(this IServiceCollection services)
        {
            ArgumentNullException.ThrowIfNull(services);
            services.AddRouting(options => options.SetParameterPolicy<GrpcRequestConstraint>(GrpcRequestConstraint.Name));
            services.AddOptions();
            services.TryAddSingleton<MappedServices>();
            services.TryAddSingleton(typeof(IGrpcServiceActivator<>), typeof(DefaultServiceActivator<>));
            services.TryAddSingleton(typeof(IGrpcInterceptorActivator<>), typeof(DefaultInterceptorActivator<>));
            services.TryAddEnumerable(ServiceDescriptor.Singleton<IConfigureOptions<GrpcServiceOptions>, GrpcServiceOptionsSetup>());
            services.TryAddEnumerable(ServiceDescriptor.Singleton(typeof(IServiceMethodProvider<>), typeof(BinderMethodProvider<>)));
            return new GrpcServerBuilder(services);
        }

        /// <summary>Adds gRPC services with options for all of them.</summary>
        public static IGrpcServerBuilder AddGrpc(this IServiceCollection services, Action<GrpcServiceOptions> configureOptions)
        {
            ArgumentNullException.ThrowIfNull(services);
            return services.Configure(configureOptions).AddGrpc();
        }

        /// <summary>Adds options for one service.</summary>
        public static IGrpcServerBuilder AddServiceOptions<TService>(this IGrpcServerBuilder grpcBuilder, Action<GrpcServiceOptions<TService>> configure)
            where TService : class
        {
            ArgumentNullException.ThrowIfNull(grpcBuilder);

            // First the setup, which copies the global options, then what is configured over it.
            grpcBuilder.Services.TryAddEnumerable(
                ServiceDescriptor.Singleton<IConfigureOptions<GrpcServiceOptions<TService>>, GrpcServiceOptionsSetup<TService>>());
            grpcBuilder.Services.Configure(configure);
            return grpcBuilder;
        }

        private sealed record GrpcServerBuilder(IServiceCollection Services) : IGrpcServerBuilder;
    }
}
