using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>What tests of calls say again and again.</summary>
internal static class Calls
{
    /// <summary>A client and the transport-independent check that it works.</summary>
    public static async Task ShouldEchoAsync(this TestService.TestServiceClient client)
    {
        var text = Guid.NewGuid().ToString();
        (await client.UnaryAsync(new TestRequest { Text = text }).ResponseAsync.DefaultTimeout()).Text.ShouldBe(text);
    }

    /// <summary>Metadata that names the call, so that its outcome can be asked for.</summary>
    public static (string Id, Metadata Metadata) Named()
    {
        var id = Guid.NewGuid().ToString();
        return (id, new Metadata { { "x-call-id", id } });
    }

    /// <summary>How the server saw the named call end.</summary>
    public static Task<OutcomeReply> OutcomeOfAsync(this TestService.TestServiceClient client, string id) =>
        client.OutcomeAsync(new OutcomeRequest { CallId = id }).ResponseAsync.DefaultTimeout();

    /// <summary>The call's error, which must have this status.</summary>
    public static async Task<RpcException> ShouldFailAsync(this Task call, StatusCode status)
    {
        var error = await Should.ThrowAsync<RpcException>(() => call.DefaultTimeout());
        error.StatusCode.ShouldBe(status, error.Status.ToString());
        return error;
    }

    /// <summary>All replies that are left.</summary>
    public static Task<List<TestReply>> ReadAllAsync(this AsyncServerStreamingCall<TestReply> call) =>
        call.ResponseStream.ReadAllAsync().ToListAsync().DefaultTimeout();

    /// <summary>The next reply, which must come.</summary>
    public static async Task<TestReply> NextAsync(this IAsyncStreamReader<TestReply> reader)
    {
        (await reader.MoveNext(default).DefaultTimeout()).ShouldBeTrue();
        return reader.Current;
    }
}
