using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

/// <summary>Several values under one name: as header fields of their own, and joined by commas as HTTP lets every hop do.</summary>
public sealed class RepeatedMetadataTests
{
    [ProtocolFact("refuses repeated binary names in a request")]
    public async Task BinaryHeaders_RepeatedAndJoined_AreEntriesOfTheirOwn()
    {
        await using var host = await ServerHost.StartAsync();
        var seen = new TaskCompletionSource<Metadata>();
        host.Script.Unary = (request, context) =>
        {
            seen.SetResult(context.RequestHeaders);
            return Task.FromResult(Script.Echo(request));
        };
        using var raw = await RawConnection.OpenAsync(host.Server.Port());
        var headers = RawConnection.CallHeaders(
            WireClient.Unary, ("x-apart-bin", "AQI"), ("x-apart-bin", ""), ("x-apart-bin", "Aw=="), ("x-joined-bin", "AQI,, Aw=="), ("x-both-bin", "AQI,Aw"), ("x-both-bin", "BA"));

        await raw.SendAsync(RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders, 1, headers));
        await raw.SendAsync(RawConnection.Frame(RawConnection.Data, RawConnection.EndStream, 1, WireClient.Frame(new TestRequest())));

        var metadata = await seen.Task.DefaultTimeout();
        metadata.GetAll("x-apart-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [], [3]]);
        metadata.GetAll("x-joined-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [], [3]]);
        metadata.GetAll("x-both-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [3], [4]]);
    }
}
