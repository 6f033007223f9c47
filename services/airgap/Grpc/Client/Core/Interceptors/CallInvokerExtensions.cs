using Grpc.Core.Utils;

namespace Grpc.Core.Interceptors;

public static class CallInvokerExtensions
{
    public static CallInvoker Intercept(this CallInvoker invoker, Interceptor interceptor) =>
        new InterceptingCallInvoker(GrpcPreconditions.CheckNotNull(invoker, nameof(invoker)), GrpcPreconditions.CheckNotNull(interceptor, nameof(interceptor)));

    /// <summary>Puts interceptors in front: the first given sees the call first.</summary>
    public static CallInvoker Intercept(this CallInvoker invoker, params Interceptor[] interceptors)
    {
        GrpcPreconditions.CheckNotNull(invoker, nameof(invoker));
        GrpcPreconditions.CheckNotNull(interceptors, nameof(interceptors));
        for (var i = interceptors.Length - 1; i >= 0; i--) invoker = Intercept(invoker, interceptors[i]);
        return invoker;
    }

    /// <summary>Changes each call's headers; the function gets a copy, or new metadata where the call has none.</summary>
    public static CallInvoker Intercept(this CallInvoker invoker, Func<Metadata, Metadata> interceptor) =>
        Intercept(invoker, new MetadataInterceptor(GrpcPreconditions.CheckNotNull(interceptor, nameof(interceptor))));

    private sealed class MetadataInterceptor(Func<Metadata, Metadata> change) : ContextInterceptor
    {
        protected override ClientInterceptorContext<TRequest, TResponse> Change<TRequest, TResponse>(ClientInterceptorContext<TRequest, TResponse> context)
        {
            var headers = new Metadata();
            foreach (var entry in context.Options.Headers ?? headers) headers.Add(entry);
            return new ClientInterceptorContext<TRequest, TResponse>(context.Method, context.Host, context.Options.WithHeaders(change(headers)));
        }
    }
}

public static class ChannelExtensions
{
    public static CallInvoker Intercept(this ChannelBase channel, Interceptor interceptor) => channel.CreateCallInvoker().Intercept(interceptor);

    public static CallInvoker Intercept(this ChannelBase channel, params Interceptor[] interceptors) => channel.CreateCallInvoker().Intercept(interceptors);

    public static CallInvoker Intercept(this ChannelBase channel, Func<Metadata, Metadata> interceptor) => channel.CreateCallInvoker().Intercept(interceptor);
}
