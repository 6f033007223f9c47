using Grpc.Net.Client.Balancer;

namespace Grpc.Net.Client.Calls;

/// <summary>What a channel knows of one method: where its requests go, and how they are repeated.</summary>
internal sealed class MethodEntry(Uri uri, AttemptPolicy? policy)
{
    private Aimed? _aimed;

    public Uri Uri => uri;

    public AttemptPolicy? Policy => policy;

    /// <summary>Directs a request to the address that was picked for it.</summary>
    public void Aim(GrpcRequestMessage request, PickedSubchannel picked)
    {
        var aimed = _aimed;
        if (aimed is null || !ReferenceEquals(aimed.Address, picked.Address)) _aimed = aimed = new Aimed(picked.Address, At(picked.Address));
        request.Picked = picked;
        request.RequestUri = aimed.Uri;
        if (request.Headers.Host is null && picked.Address.Attributes.TryGetValue(ConnectionManager.HostOverride, out var host)) request.Headers.Host = host;
    }

    private Uri At(BalancerAddress address)
    {
        var (host, port) = (address.EndPoint.Host, address.EndPoint.Port);
        return uri.Host == host && uri.Port == port ? uri : new UriBuilder(uri.Scheme, host, port, uri.AbsolutePath).Uri;
    }

    private sealed record Aimed(BalancerAddress Address, Uri Uri);
}

/// <summary>A request that tells the connection it starts which subchannel it was picked for.</summary>
internal sealed class GrpcRequestMessage(HttpMethod method, Uri uri) : HttpRequestMessage(method, uri)
{
    public PickedSubchannel Picked { get; set; }
}
