using Grpc.Core;
using Mesh.Testing;
using Microsoft.AspNetCore.Http;

namespace Mesh.Grpc.Tests.Client;

public sealed class DeadlineAndCancelTests
{
    [Fact]
    public async Task Deadline_PassesWhileTheServerIsSilent_FailsAndResetsTheStream()
    {
        var aborted = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(context => HangAsync(context, aborted));
        using var channel = server.CreateChannel();

        // Long enough for the request to reach the server of a busy machine: without it, there would be no stream to reset.
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(2)), "");
        var failure = await Wire.FailureAsync(call.ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        await aborted.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Deadline_InThePast_FailsWithoutACall()
    {
        var calls = 0;
        await using var server = await RawServer.StartAsync(context =>
        {
            Interlocked.Increment(ref calls);
            return context.Response.AnswerAsync("");
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(-1)), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        calls.ShouldBe(0);
    }

    [Fact]
    public async Task Deadline_LocalTime_IsRefused()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync(""));
        using var channel = server.CreateChannel();

        Should.Throw<InvalidOperationException>(() => { channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(deadline: DateTime.Now.AddHours(1)), ""); });
    }

    [Fact]
    public async Task Deadline_FarAway_CallSucceeds()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync(context.Request.Headers["grpc-timeout"].ToString()));
        using var channel = server.CreateChannel();
        var invoker = channel.CreateCallInvoker();

        var timeout = await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(deadline: DateTime.UtcNow.AddDays(400)), "").ResponseAsync.DefaultTimeout();
        var none = await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(deadline: DateTime.MaxValue), "").ResponseAsync.DefaultTimeout();

        timeout.Length.ShouldBeInRange(2, 9);
        none.ShouldBe("");
    }

    [Fact]
    public async Task Deadline_PassesBetweenMessages_ReadFails()
    {
        var aborted = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("1");
            await HangAsync(context, aborted);
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(2)), "");

        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        (await Wire.FailureAsync(call.ResponseStream.MoveNext(CancellationToken.None))).StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        await aborted.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Cancel_WhileTheServerIsSilent_FailsAndResetsTheStream()
    {
        var arrived = new TaskCompletionSource();
        var aborted = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(context =>
        {
            arrived.SetResult();
            return HangAsync(context, aborted);
        });
        using var channel = server.CreateChannel();
        using var source = new CancellationTokenSource();

        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(cancellationToken: source.Token), "");
        await arrived.Task.DefaultTimeout();
        await source.CancelAsync();

        (await Wire.FailureAsync(call.ResponseAsync)).StatusCode.ShouldBe(StatusCode.Cancelled);
        await aborted.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Cancel_BeforeTheCall_FailsWithoutACall()
    {
        var calls = 0;
        await using var server = await RawServer.StartAsync(context =>
        {
            Interlocked.Increment(ref calls);
            return context.Response.AnswerAsync("");
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(cancellationToken: new CancellationToken(true)), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Cancelled);
        calls.ShouldBe(0);
    }

    [Fact]
    public async Task Dispose_StreamUnderWay_EndsItOnBothSides()
    {
        var aborted = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("1");
            await HangAsync(context, aborted);
        });
        using var channel = server.CreateChannel();
        var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(RawServer.Duplex, null, new CallOptions());

        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        call.Dispose();

        (await Wire.FailureAsync(call.ResponseStream.MoveNext(CancellationToken.None))).StatusCode.ShouldBe(StatusCode.Cancelled);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.Cancelled);
        await aborted.Task.DefaultTimeout();
    }

    [Fact]
    public async Task MoveNext_ItsTokenCancelled_EndsTheCall()
    {
        var aborted = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(async context =>
        {
            await context.Response.SendAsync("1");
            await HangAsync(context, aborted);
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");
        using var source = new CancellationTokenSource();
        (await call.ResponseStream.MoveNext(source.Token).DefaultTimeout()).ShouldBeTrue();

        var next = call.ResponseStream.MoveNext(source.Token);
        await source.CancelAsync();

        (await Wire.FailureAsync(next)).StatusCode.ShouldBe(StatusCode.Cancelled);
        await aborted.Task.DefaultTimeout();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ThrowOperationCanceled_CancelledOrExpired_ThrowsIt(bool byDeadline)
    {
        var aborted = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(context => HangAsync(context, aborted));
        using var channel = server.CreateChannel(options => options.ThrowOperationCanceledOnCancellation = true);
        using var source = new CancellationTokenSource();
        if (!byDeadline) source.CancelAfter(200);

        var options = byDeadline ? new CallOptions(deadline: DateTime.UtcNow.AddMilliseconds(200)) : new CallOptions(cancellationToken: source.Token);
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, options, "");

        await Should.ThrowAsync<OperationCanceledException>(() => call.ResponseAsync.DefaultTimeout());
        call.GetStatus().StatusCode.ShouldBe(byDeadline ? StatusCode.DeadlineExceeded : StatusCode.Cancelled);
    }

    [Fact]
    public async Task Channel_Disposed_EndsItsCallsAndRefusesNewOnes()
    {
        var arrived = new TaskCompletionSource();
        var aborted = new TaskCompletionSource();
        await using var server = await RawServer.StartAsync(context =>
        {
            arrived.SetResult();
            return HangAsync(context, aborted);
        });
        var channel = server.CreateChannel();
        var invoker = channel.CreateCallInvoker();
        var call = invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "");
        await arrived.Task.DefaultTimeout();

        channel.Dispose();

        (await Wire.FailureAsync(call.ResponseAsync)).StatusCode.ShouldBe(StatusCode.Cancelled);
        await aborted.Task.DefaultTimeout();
        Should.Throw<ObjectDisposedException>(() => { invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), ""); });
    }

    private static async Task HangAsync(HttpContext context, TaskCompletionSource aborted)
    {
        await using var registration = context.RequestAborted.Register(aborted.SetResult);
        await aborted.Task.DefaultTimeout();
    }
}
