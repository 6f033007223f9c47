using Google.Rpc;
using Grpc.Core;
using Mesh.Hosting.Faults;
using Status = Google.Rpc.Status;

namespace Mesh.Stages.Tests;

/// <summary>What a failure must say.</summary>
internal static class StatusAssertions
{
    public static void ShouldBeInvalid(this Status status, string field)
    {
        status.ShouldNotBeNull();
        status.Code.ShouldBe((int)StatusCode.InvalidArgument, status.Message);
        status.Detail<BadRequest>().ShouldNotBeNull().FieldViolations.Select(x => x.Field).ShouldContain(field);
    }

    public static void ShouldBe(this Status status, StatusCode code, string reason)
    {
        status.ShouldNotBeNull();
        status.Code.ShouldBe((int)code, status.Message);
        status.Detail<ErrorInfo>().ShouldNotBeNull().Reason.ShouldBe(reason);
    }
}
