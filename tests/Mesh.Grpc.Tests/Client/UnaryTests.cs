using System.Globalization;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Testing;
using Microsoft.AspNetCore.Http;

namespace Mesh.Grpc.Tests.Client;

public sealed class UnaryTests
{
    [Fact]
    public async Task Call_OkResponse_ReturnsMessageHeadersTrailersAndStatus()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            var request = await context.Request.ReadAsync();
            context.Response.Headers["x-head"] = "1";
            await context.Response.SendAsync("hello " + request);
            context.Response.AppendTrailer("x-tail", "2");
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();

        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "mesh");

        (await call.ResponseAsync.DefaultTimeout()).ShouldBe("hello mesh");
        (await call.ResponseHeadersAsync.DefaultTimeout()).GetValue("x-head").ShouldBe("1");
        call.GetTrailers().GetValue("x-tail").ShouldBe("2");
        call.GetTrailers().Get("grpc-status").ShouldBeNull();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task Call_BlockingCall_ReturnsMessage()
    {
        await using var server = await RawServer.StartAsync(async context => await context.Response.AnswerAsync((await context.Request.ReadAsync())!));
        using var channel = server.CreateChannel();

        var reply = await Task.Run(() => channel.CreateCallInvoker().BlockingUnaryCall(RawServer.Unary, null, new CallOptions(), "echo")).DefaultTimeout();

        reply.ShouldBe("echo");
    }

    [Fact]
    public async Task Call_AnyCall_SendsTheHeadersOfTheProtocol()
    {
        var seen = new TaskCompletionSource<(string Method, string Path, string Protocol, Dictionary<string, string> Headers)>();
        await using var server = await RawServer.StartAsync(async context =>
        {
            seen.SetResult((context.Request.Method, context.Request.Path, context.Request.Protocol, context.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString())));
            await context.Response.AnswerAsync("");
        });
        using var channel = server.CreateChannel();

        var options = new CallOptions(deadline: DateTime.UtcNow.AddMinutes(1)).WithHeaders(new Metadata { { "X-Text", "a b" }, { "x-data-bin", [0, 255, 1] } });
        await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, options, "").ResponseAsync.DefaultTimeout();

        var (method, path, protocol, headers) = await seen.Task.DefaultTimeout();
        method.ShouldBe("POST");
        path.ShouldBe("/mesh.testing.v1.Raw/Unary");
        protocol.ShouldBe("HTTP/2");
        headers["content-type"].ShouldBe("application/grpc");
        headers["te"].ShouldBe("trailers");
        headers["user-agent"].ShouldStartWith("grpc-dotnet/");
        headers["grpc-accept-encoding"].Split(',').ShouldContain("gzip");
        headers["x-text"].ShouldBe("a b");
        Convert.FromBase64String(headers["x-data-bin"]).ShouldBe([0, 255, 1]);
        var timeout = headers["grpc-timeout"];
        timeout.Length.ShouldBeLessThanOrEqualTo(9);
        (int.Parse(timeout[..^1], CultureInfo.InvariantCulture) * (timeout[^1] == 'm' ? 1 : 1000)).ShouldBeInRange(1, 60_000);
    }

    [Fact]
    public async Task Call_NoDeadline_SendsNoTimeout()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync(context.Request.Headers.ContainsKey("grpc-timeout").ToString()));
        using var channel = server.CreateChannel();

        var reply = await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout();

        reply.ShouldBe("False");
    }

    [Fact]
    public async Task Call_TrailersOnly_FailsWithStatusAndMetadata()
    {
        await using var server = await RawServer.StartAsync(context =>
        {
            context.Response.Headers["x-why"] = "because";
            context.Response.Headers["x-more-bin"] = "AQI"; // [1, 2], without padding
            return context.Response.Refuse(StatusCode.NotFound, "no such%20thing%3A %C3%A9");
        });
        using var channel = server.CreateChannel();

        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "");
        var failure = await Wire.FailureAsync(call.ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.NotFound);
        failure.Status.Detail.ShouldBe("no such thing: é");
        failure.Trailers.GetValue("x-why").ShouldBe("because");
        failure.Trailers.GetValueBytes("x-more-bin").ShouldBe([1, 2]);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task Call_StatusInTrailers_FailsWithStatusAndTrailers()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("ignored");
            context.Response.AppendTrailer("grpc-status-details-bin", Convert.ToBase64String([9]));
            context.Response.EndWith(StatusCode.DataLoss, "lost");
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.DataLoss);
        failure.Status.Detail.ShouldBe("lost");
        failure.Trailers.GetValueBytes("grpc-status-details-bin").ShouldBe([9]);
    }

    [ProtocolFact("does not split joined binary values")]
    public async Task Call_BinaryNamesRepeatedAndJoined_AreEntriesOfTheirOwn()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.Headers["x-apart-bin"] = new(["AQI", "", "Aw=="]);
            context.Response.Headers["x-joined-bin"] = "AQI,, Aw==";
            await context.Response.SendAsync("");
            context.Response.AppendTrailer("y-apart-bin", new(["AQI", "Aw=="]));
            context.Response.AppendTrailer("y-joined-bin", "AQI,,Aw==");
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();

        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "");
        var headers = await call.ResponseHeadersAsync.DefaultTimeout();
        await call.ResponseAsync.DefaultTimeout();

        headers.GetAll("x-apart-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [], [3]]);
        headers.GetAll("x-joined-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [], [3]]);
        call.GetTrailers().GetAll("y-apart-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [3]]);
        call.GetTrailers().GetAll("y-joined-bin").Select(entry => entry.ValueBytes).ShouldBe([[1, 2], [], [3]]);
    }

    [Theory]
    [InlineData(400, StatusCode.Internal)]
    [InlineData(401, StatusCode.Unauthenticated)]
    [InlineData(403, StatusCode.PermissionDenied)]
    [InlineData(404, StatusCode.Unimplemented)]
    [InlineData(429, StatusCode.Unavailable)]
    [InlineData(502, StatusCode.Unavailable)]
    [InlineData(503, StatusCode.Unavailable)]
    [InlineData(504, StatusCode.Unavailable)]
    [InlineData(500, StatusCode.Unknown)]
    [InlineData(418, StatusCode.Unknown)]
    public async Task Call_HttpError_FailsWithTheMappedStatus(int http, StatusCode expected)
    {
        await using var server = await RawServer.StartAsync(context =>
        {
            context.Response.StatusCode = http;
            return Task.CompletedTask;
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(expected);
        failure.Status.Detail.ShouldContain(http.ToString(CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Call_HttpErrorWithGrpcStatus_GrpcStatusCounts()
    {
        await using var server = await RawServer.StartAsync(context =>
        {
            context.Response.StatusCode = 503;
            return context.Response.Refuse(StatusCode.Aborted, "stop");
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Aborted);
    }

    [Theory]
    [InlineData("text/html", false)]
    [InlineData("application/json", false)]
    [InlineData("application/grpcweb", false)]
    [InlineData(null, false)]
    [InlineData("application/grpc+proto", true)]
    [InlineData("application/grpc; charset=utf-8", true)]
    public async Task Call_ContentType_IsChecked(string? contentType, bool accepted)
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.ContentType = contentType;
            await context.Response.Body.WriteAsync(Wire.Frame("x"));
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();

        var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync;

        if (accepted) (await call.DefaultTimeout()).ShouldBe("x");
        else (await Wire.FailureAsync(call)).StatusCode.ShouldBe(StatusCode.Cancelled);
    }

    [Fact]
    public async Task Call_NoStatusAtAll_Fails()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.SendAsync("x"));
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Cancelled);
        failure.Status.Detail.ShouldContain("grpc-status");
    }

    [Fact]
    public async Task Call_OkWithoutMessage_FailsAsInternal()
    {
        await using var server = await RawServer.StartAsync(context =>
        {
            context.Response.BeginGrpc();
            context.Response.EndWith(StatusCode.OK);
            return Task.CompletedTask;
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Internal);
    }

    [Theory]
    [InlineData("000000")]
    [InlineData("000000000A0102")]
    [InlineData("0000000001")]
    [InlineData("0700000000")]
    [InlineData("00000000000000000000")]
    [InlineData("000000000000")]
    public async Task Call_MalformedFrames_FailsAsInternal(string body)
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.BeginGrpc();
            await context.Response.Body.WriteAsync(Convert.FromHexString(body));
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Internal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5000)]
    [InlineData(8187)]
    [InlineData(8192)]
    [InlineData(100_000)]
    [InlineData(6_000_000)]
    public async Task Call_MessageOfAnySize_ComesThroughWhole(int size)
    {
        await using var server = await RawServer.StartAsync(async context => await context.Response.AnswerAsync((await context.Request.ReadAsync())!));
        using var channel = server.CreateChannel(options => options.MaxReceiveMessageSize = null);
        var text = string.Create(size, size, (span, _) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = (char)('a' + (i % 26));
        });

        var reply = await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), text).ResponseAsync.DefaultTimeout();

        reply.ShouldBe(text);
    }

    [Fact]
    public async Task Call_ResponseOverFourMegabytes_FailsByDefault()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.BeginGrpc();
            await context.Response.Body.WriteAsync(new byte[] { 0, 0, 0x40, 0, 1 });
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
    }

    [Fact]
    public async Task Call_RequestOverTheLimit_FailsAndAnotherAtTheLimitSucceeds()
    {
        await using var server = await RawServer.StartAsync(async context => await context.Response.AnswerAsync((await context.Request.ReadAsync())!));
        using var channel = server.CreateChannel(options => options.MaxSendMessageSize = 10);
        var invoker = channel.CreateCallInvoker();

        var failure = await Wire.FailureAsync(invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "01234567890").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        (await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "0123456789").ResponseAsync.DefaultTimeout()).ShouldBe("0123456789");
    }

    [Fact]
    public async Task Call_UnusableStatusValue_Fails()
    {
        await using var server = await RawServer.StartAsync(context =>
        {
            context.Response.BeginGrpc();
            context.Response.Headers["grpc-status"] = "fine";
            return Task.CompletedTask;
        });
        using var channel = server.CreateChannel();

        await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);
    }

    [Fact]
    public async Task Call_NobodyListens_FailsAsUnavailableWithItsCause()
    {
        int port;
        await using (var server = await RawServer.StartAsync(_ => Task.CompletedTask)) port = server.Port;
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}");

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Unavailable);
        failure.Status.DebugException.ShouldNotBeNull();
    }
}
