using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;
using RpcStatus = Google.Rpc.Status;

namespace Mesh.Grpc.Tests.Functional;

public sealed class MetadataTests
{
    private static readonly byte[] AllBytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];

    // A name given twice comes back twice.
    private static readonly string[] Names = ["x-text", "x-text", "x-data-bin", "x-data-bin", "x-absent"];

    private static Metadata Sent => new()
    {
        { "X-Text", "a text, with a comma" }, { "x-data-bin", AllBytes },
    };

    [Fact]
    public async Task Metadata_ThereAndBack_KeepsNamesValuesAndDuplicates()
    {
        await using var host = await TestHost.StartAsync();
        using var call = host.Connect().UnaryAsync(new TestRequest { EchoHeaders = { Names }, EchoTrailers = { Names } }, Sent);
        var headers = await call.ResponseHeadersAsync.DefaultTimeout();
        await call.ResponseAsync.DefaultTimeout();
        foreach (var received in new[] { headers, call.GetTrailers() })
        {
            received.GetAll("x-text").Select(entry => entry.Value).ShouldBe(["a text, with a comma", "a text, with a comma"]);
            received.GetAll("x-data-bin").Select(entry => entry.ValueBytes).ShouldBe([AllBytes, AllBytes]);
            received.Get("x-absent").ShouldBeNull();
        }
    }

    [Fact]
    public async Task Metadata_EqualNamesInARequest_ReachTheServerInOrder()
    {
        await using var host = await TestHost.StartAsync();
        var metadata = new Metadata { { "x-text", "one" }, { "x-text", "two" } };
        using var call = host.Connect().UnaryAsync(new TestRequest { EchoTrailers = { "x-text" } }, metadata);
        await call.ResponseAsync.DefaultTimeout();
        // HTTP lets every hop join equal names with a comma.
        string.Join(',', call.GetTrailers().GetAll("x-text").Select(entry => entry.Value)).Replace(" ", "", StringComparison.Ordinal).ShouldBe("one,two");
    }

    [Fact]
    public async Task Trailers_OfAFailedCall_AreInTheException()
    {
        await using var host = await TestHost.StartAsync();
        var request = new TestRequest { Status = (int)StatusCode.Aborted, EchoTrailers = { Names } };
        var error = await host.Connect().UnaryAsync(request, Sent).ResponseAsync.ShouldFailAsync(StatusCode.Aborted);
        error.Trailers.GetAll("x-text").Count().ShouldBe(2);
        error.Trailers.GetValueBytes("x-data-bin").ShouldBe(AllBytes);
    }

    [Fact]
    public async Task Trailers_OfAStream_AreThereAtItsEnd()
    {
        await using var host = await TestHost.StartAsync();
        using var call = host.Connect().ServerStream(new TestRequest { Count = 2, EchoTrailers = { "x-text" } }, Sent);
        await call.ReadAllAsync();
        call.GetTrailers().GetValue("x-text").ShouldBe("a text, with a comma");
    }

    [Fact]
    public async Task Headers_OfAStream_AreThereBeforeItsFirstReply()
    {
        await using var host = await TestHost.StartAsync();
        var (id, metadata) = Calls.Named();
        using var call = host.Connect().ServerStream(new TestRequest { Count = 1, DelayMs = 60000, EchoHeaders = { "x-call-id" } }, metadata);
        (await call.ResponseHeadersAsync.DefaultTimeout()).GetValue("x-call-id").ShouldBe(id);
    }

    [Fact]
    public async Task RichError_BadRequest_IsReadFromTheTrailers()
    {
        await using var host = await TestHost.StartAsync();
        var request = new TestRequest { Status = 3, Detail = "one field", BadFields = { ["images[0].größe"] = "must be 512" } };
        var error = await host.Connect().UnaryAsync(request).ResponseAsync.ShouldFailAsync(StatusCode.InvalidArgument);
        var status = RpcStatus.Parser.ParseFrom(error.Trailers.GetValueBytes("grpc-status-details-bin"));
        status.Code.ShouldBe((int)Code.InvalidArgument);
        var violation = status.Details.ShouldHaveSingleItem().Unpack<BadRequest>().FieldViolations.ShouldHaveSingleItem();
        violation.ShouldBe(new BadRequest.Types.FieldViolation { Field = "images[0].größe", Description = "must be 512" });
    }

    [Fact]
    public async Task UnknownMethodOrService_Call_IsUnimplemented()
    {
        await using var host = await TestHost.StartAsync();
        var invoker = host.OpenChannel().CreateCallInvoker();
        var bytes = Marshallers.Create<byte[]>(value => value, value => value);
        foreach (var (service, name) in new[] { ("mesh.testing.v1.TestService", "Gone"), ("mesh.testing.v1.Lost", "Unary") })
        {
            var method = new Method<byte[], byte[]>(MethodType.Unary, service, name, bytes, bytes);
            using var call = invoker.AsyncUnaryCall(method, null, new CallOptions(), new TestRequest().ToByteArray());
            await call.ResponseAsync.ShouldFailAsync(StatusCode.Unimplemented);
        }
    }
}
