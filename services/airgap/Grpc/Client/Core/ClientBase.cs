using Grpc.Core.Interceptors;
using Grpc.Core.Utils;

namespace Grpc.Core;

/// <summary>What generated clients derive from.</summary>
public abstract class ClientBase<T> : ClientBase
    where T : ClientBase<T>
{
    protected ClientBase()
    {
    }

    public ClientBase(ChannelBase channel) : base(channel)
    {
    }

    public ClientBase(CallInvoker callInvoker) : base(callInvoker)
    {
    }

    protected ClientBase(ClientBaseConfiguration configuration) : base(configuration)
    {
    }

    /// <summary>The same client with another <c>:authority</c>.</summary>
    public T WithHost(string host) => NewInstance(Configuration.WithHost(host));

    protected abstract T NewInstance(ClientBaseConfiguration configuration);
}

public abstract class ClientBase
{
    private readonly ClientBaseConfiguration? _configuration;
    private readonly CallInvoker? _callInvoker;

    /// <summary>For test doubles: a client without a way to call.</summary>
    protected ClientBase()
    {
    }

    protected ClientBase(ChannelBase channel) : this(channel.CreateCallInvoker())
    {
    }

    protected ClientBase(CallInvoker callInvoker) : this(new ClientBaseConfiguration(callInvoker, null))
    {
    }

    protected ClientBase(ClientBaseConfiguration configuration)
    {
        _configuration = GrpcPreconditions.CheckNotNull(configuration, nameof(configuration));
        _callInvoker = configuration.CreateCallInvoker();
    }

    protected CallInvoker CallInvoker => _callInvoker ?? throw NotConfigured();

    internal ClientBaseConfiguration Configuration => _configuration ?? throw NotConfigured();

    private static NotSupportedException NotConfigured() => new("A client made by its parameterless constructor makes no calls.");

    /// <summary>What a client is made of.</summary>
    protected internal class ClientBaseConfiguration
    {
        private readonly CallInvoker _invoker;
        private readonly string? _host;

        internal ClientBaseConfiguration(CallInvoker invoker, string? host)
        {
            _invoker = GrpcPreconditions.CheckNotNull(invoker, nameof(invoker));
            _host = host;
        }

        internal ClientBaseConfiguration WithHost(string host) => new(_invoker, GrpcPreconditions.CheckNotNull(host, nameof(host)));

        internal CallInvoker CreateCallInvoker() => _host is null ? _invoker : new InterceptingCallInvoker(_invoker, new HostInterceptor(_host));
    }

    private sealed class HostInterceptor(string host) : ContextInterceptor
    {
        protected override ClientInterceptorContext<TRequest, TResponse> Change<TRequest, TResponse>(ClientInterceptorContext<TRequest, TResponse> context) =>
            new(context.Method, context.Host ?? host, context.Options);
    }
}
