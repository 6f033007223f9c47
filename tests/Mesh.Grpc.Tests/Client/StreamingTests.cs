using Grpc.Core;
using Mesh.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Grpc.Tests.Client;

public sealed class StreamingTests
{
    [Fact]
    public async Task ServerStream_ManyMessages_ArriveInOrderThenEnd()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            for (var i = 0; i < 300; i++) await context.Response.SendAsync($"{i}:{new string('x', i * 97)}");
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        var count = 0;
        while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
            call.ResponseStream.Current.ShouldBe($"{count}:{new string('x', count * 97)}");
            count++;
        }

        count.ShouldBe(300);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeFalse();
    }

    [Fact]
    public async Task ServerStream_FailsAfterMessages_MessagesThenStatus()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("1");
            context.Response.AppendTrailer("x-tail", "t");
            context.Response.EndWith(StatusCode.FailedPrecondition, "enough");
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        var failure = await Wire.FailureAsync(call.ResponseStream.MoveNext(CancellationToken.None));

        failure.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        failure.Trailers.GetValue("x-tail").ShouldBe("t");
        (await Wire.FailureAsync(call.ResponseStream.MoveNext(CancellationToken.None))).StatusCode.ShouldBe(StatusCode.FailedPrecondition);
    }

    [Fact]
    public async Task ServerStream_TrailersOnlyOk_IsEmpty()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.Refuse(StatusCode.OK));
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeFalse();
    }

    [Fact]
    public async Task ServerStream_TruncatedFrame_FailsAsInternal()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("whole");
            await context.Response.Body.WriteAsync(Wire.Frame("cut short").AsMemory(0, 8));
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        (await Wire.FailureAsync(call.ResponseStream.MoveNext(CancellationToken.None))).StatusCode.ShouldBe(StatusCode.Internal);
    }

    [Theory]
    [InlineData(0x2, StatusCode.Internal)]
    [InlineData(0x7, StatusCode.Unavailable)]
    [InlineData(0x8, StatusCode.Cancelled)]
    [InlineData(0xb, StatusCode.ResourceExhausted)]
    [InlineData(0xc, StatusCode.PermissionDenied)]
    public async Task ServerStream_StreamReset_FailsWithTheMappedStatus(int code, StatusCode expected)
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("1");
            context.Features.Get<IHttpResetFeature>()!.Reset(code);
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        var failure = await Should.ThrowAsync<RpcException>(async () =>
        {
            while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
            {
            }
        });

        failure.StatusCode.ShouldBe(expected);
    }

    [Fact]
    public async Task ClientStream_ManyMessages_ServerReadsAllThenAnswers()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            var all = new List<string>();
            while (await context.Request.ReadAsync() is { } message) all.Add(message);
            await context.Response.AnswerAsync(string.Join(',', all));
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncClientStreamingCall(RawServer.ClientStream, null, new CallOptions());

        for (var i = 0; i < 50; i++) await call.RequestStream.WriteAsync($"{i}").DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();

        (await call.ResponseAsync.DefaultTimeout()).ShouldBe(string.Join(',', Enumerable.Range(0, 50)));
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task Duplex_PingPong_EachAnswerComesBeforeTheNextRequest()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.BeginGrpc();
            await context.Response.Body.FlushAsync();
            while (await context.Request.ReadAsync() is { } message) await context.Response.SendAsync("re " + message);
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(RawServer.Duplex, null, new CallOptions());

        await call.ResponseHeadersAsync.DefaultTimeout();
        for (var i = 0; i < 20; i++)
        {
            await call.RequestStream.WriteAsync($"{i}").DefaultTimeout();
            (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
            call.ResponseStream.Current.ShouldBe($"re {i}");
        }
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeFalse();
    }

    [Fact]
    public async Task ResponseHeaders_ServerSendsThemFirst_ArriveBeforeAnyMessage()
    {
        var go = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.BeginGrpc();
            context.Response.Headers["x-early"] = "yes";
            await context.Response.Body.FlushAsync();
            await go.Task.DefaultTimeout();
            await context.Response.AnswerAsync("late");
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        (await call.ResponseHeadersAsync.DefaultTimeout()).GetValue("x-early").ShouldBe("yes");
        Should.Throw<InvalidOperationException>(() => call.GetStatus());
        Should.Throw<InvalidOperationException>(() => call.GetTrailers());
        go.SetResult();
        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
    }

    [Fact]
    public async Task Write_AfterComplete_IsRefused()
    {
        await using var server = await RawServer.StartAsync(async context => await context.Response.AnswerAsync((await context.Request.ReadAsync())!));
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncClientStreamingCall(RawServer.ClientStream, null, new CallOptions());
        await call.RequestStream.WriteAsync("a").DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();

        await Should.ThrowAsync<InvalidOperationException>(() => call.RequestStream.WriteAsync("b").DefaultTimeout());
    }

    [Fact]
    public async Task Write_ServerEndedTheCall_ThrowsItsStatus()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.Refuse(StatusCode.PermissionDenied, "no"));
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncClientStreamingCall(RawServer.ClientStream, null, new CallOptions());
        await Wire.FailureAsync(call.ResponseAsync);

        var failure = await Wire.FailureAsync(call.RequestStream.WriteAsync("late"));

        failure.StatusCode.ShouldBe(StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task Read_WhileAnotherIsUnderWay_IsRefused()
    {
        var go = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.BeginGrpc();
            await context.Response.Body.FlushAsync();
            await go.Task.DefaultTimeout();
            await context.Response.AnswerAsync("one");
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        var first = call.ResponseStream.MoveNext(CancellationToken.None);
        await Should.ThrowAsync<InvalidOperationException>(() => call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout());
        go.SetResult();

        (await first.DefaultTimeout()).ShouldBeTrue();
        call.ResponseStream.Current.ShouldBe("one");
    }

    [Fact]
    public async Task ReadAllAsync_Stream_YieldsEachMessage()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("a");
            await context.Response.AnswerAsync("b");
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        var all = new List<string>();
        await foreach (var message in call.ResponseStream.ReadAllAsync()) all.Add(message);

        all.ShouldBe(["a", "b"]);
    }
}
