using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>Values that are empty and names that repeat, all the way there and back.</summary>
public sealed class OddMetadataTests
{
    private static readonly string[] Empty = ["x-empty", "x-empty-bin"];

    private static Metadata Sent => new()
    {
        { "x-empty", "" }, { "x-empty-bin", [] },
        { "x-many-bin", [1, 2] }, { "x-many-bin", [] }, { "x-many-bin", [3] },
    };

    [Fact]
    public async Task EmptyValues_OfARequest_ReachTheServer()
    {
        Metadata? seen = null;
        await using var host = await TestHost.StartAsync(grpc: options => options.Interceptors.Add<Spy>((Action<Metadata>)(headers => seen = headers)));
        await host.Connect().UnaryAsync(new TestRequest(), Sent).ResponseAsync.DefaultTimeout();
        seen.ShouldNotBeNull().GetValue("x-empty").ShouldBe("");
        seen.GetValueBytes("x-empty-bin").ShouldBe([]);
    }

    [ProtocolFact("drops empty values of a response")]
    public async Task EmptyValues_ThereAndBack_AreInHeadersAndTrailers()
    {
        await using var host = await TestHost.StartAsync();
        using var call = host.Connect().UnaryAsync(new TestRequest { EchoHeaders = { Empty }, EchoTrailers = { Empty } }, Sent);
        var headers = await call.ResponseHeadersAsync.DefaultTimeout();
        await call.ResponseAsync.DefaultTimeout();
        foreach (var received in new[] { headers, call.GetTrailers() })
        {
            received.GetAll("x-empty").ShouldHaveSingleItem().Value.ShouldBe("");
            received.GetAll("x-empty-bin").ShouldHaveSingleItem().ValueBytes.ShouldBe([]);
        }
    }

    [ProtocolFact("drops empty values of a response")]
    public async Task EmptyValues_OfAFailedCall_AreInTheException()
    {
        await using var host = await TestHost.StartAsync();
        var request = new TestRequest { Status = (int)StatusCode.Aborted, EchoTrailers = { Empty } };
        var error = await host.Connect().UnaryAsync(request, Sent).ResponseAsync.ShouldFailAsync(StatusCode.Aborted);
        error.Trailers.GetValue("x-empty").ShouldBe("");
        error.Trailers.GetValueBytes("x-empty-bin").ShouldBe([]);
    }

    [ProtocolFact("refuses repeated binary names in a request")]
    public async Task RepeatedBinaryNames_ThereAndBack_KeepValuesAndOrder()
    {
        await using var host = await TestHost.StartAsync();
        string[] names = ["x-many-bin"];
        using var call = host.Connect().UnaryAsync(new TestRequest { EchoHeaders = { names }, EchoTrailers = { names } }, Sent);
        var headers = await call.ResponseHeadersAsync.DefaultTimeout();
        await call.ResponseAsync.DefaultTimeout();
        foreach (var received in new[] { headers, call.GetTrailers() })
            received.GetAll("x-many-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [], [3]]);
    }

    private sealed class Spy(Action<Metadata> seen) : global::Grpc.Core.Interceptors.Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            seen(context.RequestHeaders);
            return continuation(request, context);
        }
    }
}
