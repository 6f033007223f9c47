using Grpc.Core;

namespace Grpc.Net.Client.Calls;

/// <summary>The functions that call credentials are made of, in order.</summary>
internal sealed class CredentialsCollector : CallCredentialsConfiguratorBase
{
    private readonly List<AsyncAuthInterceptor> _found = [];

    private CredentialsCollector()
    {
    }

    public static IReadOnlyList<AsyncAuthInterceptor> Collect(CallCredentials credentials)
    {
        var collector = new CredentialsCollector();
        credentials.InternalPopulateConfiguration(collector, null);
        return collector._found;
    }

    public override void SetAsyncAuthInterceptorCredentials(object? state, AsyncAuthInterceptor interceptor) => _found.Add(interceptor);

    public override void SetCompositeCredentials(object? state, IReadOnlyList<CallCredentials> credentials)
    {
        foreach (var part in credentials) part.InternalPopulateConfiguration(this, state);
    }
}

/// <summary>What channel credentials say: TLS or not, and what each call carries.</summary>
internal sealed class ChannelCredentialsReader : ChannelCredentialsConfiguratorBase
{
    public bool? IsSecure { get; private set; }

    public List<AsyncAuthInterceptor> CallCredentials { get; } = [];

    public override void SetInsecureCredentials(object? state) => IsSecure = false;

    public override void SetSslCredentials(object? state, string? rootCertificates, KeyCertificatePair? keyCertificatePair, VerifyPeerCallback? verifyPeerCallback)
    {
        if (!string.IsNullOrEmpty(rootCertificates) || keyCertificatePair is not null || verifyPeerCallback is not null)
        {
            throw new InvalidOperationException("SslCredentials with non-null arguments is not supported by GrpcChannel. Certificates are configured on the channel's HTTP handler.");
        }
        IsSecure = true;
    }

    public override void SetCompositeCredentials(object? state, ChannelCredentials channelCredentials, CallCredentials callCredentials)
    {
        channelCredentials.InternalPopulateConfiguration(this, state);
        CallCredentials.AddRange(CredentialsCollector.Collect(callCredentials));
    }
}
