using Grpc.AspNetCore.Server;

namespace Mesh.Grpc.Tests;

/// <summary>A fact of gRPC's protocol that grpc-dotnet does not keep; skipped where that is what runs.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ProtocolFactAttribute : FactAttribute
{
    public ProtocolFactAttribute(string lacking)
    {
        if (typeof(GrpcServiceOptions).Assembly.GetName().Name == "Grpc.AspNetCore.Server")
            Skip = "grpc-dotnet " + lacking;
    }
}
