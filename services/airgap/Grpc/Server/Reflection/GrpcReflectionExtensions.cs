using System.Reflection;
using Grpc.AspNetCore.Server.Internal;
using Grpc.AspNetCore.Server.Reflection.Internal;
using Grpc.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Grpc.AspNetCore.Server.Reflection.Internal
{
    /// <summary>Finds the protobuf services among the application's endpoints.</summary>
    internal static class ReflectedServices
    {
        internal static IReadOnlyList<Google.Protobuf.Reflection.ServiceDescriptor> Find(EndpointDataSource endpoints)
        {
            return endpoints.Endpoints
                .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType)
                .OfType<Type>()
                .Distinct()
                .Select(DescriptorOf)
                .OfType<Google.Protobuf.Reflection.ServiceDescriptor>()
                .DistinctBy(service => service.FullName)
                .ToList();
        }

        /// <summary>The generated static Descriptor beside the bind method; null for a service that is not protobuf's.</summary>
        private static Google.Protobuf.Reflection.ServiceDescriptor? DescriptorOf(Type service)
            => BindMethod.Find(service)?.DeclaringType?.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null)
                as Google.Protobuf.Reflection.ServiceDescriptor;
    }

    internal sealed class ReflectionConventionBuilder(params IEndpointConventionBuilder[] builders) : IEndpointConventionBuilder
    {
        public void Add(Action<EndpointBuilder> convention) => Array.ForEach(builders, builder => builder.Add(convention));

        public void Finally(Action<EndpointBuilder> finallyConvention) => Array.ForEach(builders, builder => builder.Finally(finallyConvention));
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Adds server reflection.</summary>
    public static class GrpcReflectionServiceExtensions
    {
        /// <summary>Adds server reflection over the protobuf services that are mapped when it is first asked.</summary>
        public static IServiceCollection AddGrpcReflection(this IServiceCollection services)
        {
            ArgumentNullException.ThrowIfNull(services);
            services.TryAddSingleton(provider => new ReflectionServiceImpl(ReflectedServices.Find(provider.GetRequiredService<EndpointDataSource>())));
            services.TryAddSingleton(provider => new ReflectionV1ServiceImpl(ReflectedServices.Find(provider.GetRequiredService<EndpointDataSource>())));
            return services;
        }
    }
}

namespace Microsoft.AspNetCore.Builder
{
    /// <summary>Maps server reflection.</summary>
    public static class GrpcReflectionEndpointRouteBuilderExtensions
    {
        /// <summary>Maps server reflection, versions v1 and v1alpha.</summary>
        /// <exception cref="InvalidOperationException">AddGrpcReflection was not called.</exception>
        public static IEndpointConventionBuilder MapGrpcReflectionService(this IEndpointRouteBuilder builder)
        {
            ArgumentNullException.ThrowIfNull(builder);
            if (builder.ServiceProvider.GetService<IServiceProviderIsService>()?.IsService(typeof(ReflectionServiceImpl)) != true)
                throw new InvalidOperationException("Server reflection is missing: call AddGrpcReflection on the application's service collection.");

            return new ReflectionConventionBuilder(builder.MapGrpcService<ReflectionServiceImpl>(), builder.MapGrpcService<ReflectionV1ServiceImpl>());
        }
    }
}
