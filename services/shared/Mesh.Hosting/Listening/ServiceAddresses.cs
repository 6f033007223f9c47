namespace Mesh.Hosting.Listening;

/// <summary>Where a service listens, once it has started: as configuration names it, with the ports that the system gave.</summary>
public sealed class ServiceAddresses
{
    private readonly ListenPlan _plan;

    internal ServiceAddresses(ListenPlan plan) => _plan = plan;

    /// <summary>For gRPC: <c>http://127.0.0.1:50051</c>, <c>https://…</c> or <c>unix:/path</c>.</summary>
    public string Grpc => _plan.Describe(_plan.Grpc) ?? throw new InvalidOperationException("The service has not started.");

    /// <summary>For HTTP; null: nowhere.</summary>
    public string? Http => _plan.Describe(_plan.Http);
}
