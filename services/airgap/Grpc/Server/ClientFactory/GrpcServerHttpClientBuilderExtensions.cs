using Grpc.AspNetCore.ClientFactory;
using Grpc.AspNetCore.ClientFactory.Internal;
using Grpc.Net.ClientFactory;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.ClientFactory
{
    /// <summary>Options of the propagation of call contexts.</summary>
    public class GrpcContextPropagationOptions
    {
        /// <summary>Whether a call outside any served call is made as it is, in place of failing; default false.</summary>
        public bool SuppressContextNotFoundErrors { get; set; }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Propagates the context of the call being served to the calls of a client.</summary>
    public static class GrpcServerHttpClientBuilderExtensions
    {
        /// <summary>Passes the served call's deadline and cancellation on to the client's calls.</summary>
        /// <exception cref="InvalidOperationException">The client was not registered by <c>AddGrpcClient</c>.</exception>
        public static IHttpClientBuilder EnableCallContextPropagation(this IHttpClientBuilder builder)
            => builder.EnableCallContextPropagation(_ => { });

        /// <summary>Passes the served call's deadline and cancellation on to the client's calls.</summary>
        /// <exception cref="InvalidOperationException">The client was not registered by <c>AddGrpcClient</c>.</exception>
        public static IHttpClientBuilder EnableCallContextPropagation(this IHttpClientBuilder builder, Action<GrpcContextPropagationOptions> configureOptions)
        {
            ArgumentNullException.ThrowIfNull(builder);
            ArgumentNullException.ThrowIfNull(configureOptions);
            var options = new GrpcContextPropagationOptions();
            configureOptions(options);
            builder.AddInterceptor(
                InterceptorScope.Channel, services => new ContextPropagationInterceptor(options, services.GetRequiredService<IHttpContextAccessor>()));
            builder.Services.AddHttpContextAccessor();
            return builder;
        }
    }
}
