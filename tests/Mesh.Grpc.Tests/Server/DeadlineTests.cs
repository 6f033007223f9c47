using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

/// <summary>Calls that end before their handler does.</summary>
public sealed class DeadlineTests
{
    [Fact]
    public async Task Unary_DeadlinePasses_IsAnsweredAndItsTokenCancelled()
    {
        await using var host = await ServerHost.StartAsync();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Unary = async (_, context) =>
        {
            using var registration = context.CancellationToken.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return new TestReply();
        };

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest(), ("grpc-timeout", "100m"));

        reply.Status.ShouldBe((int)StatusCode.DeadlineExceeded);
        reply.Detail.ShouldBe("Deadline Exceeded");
        reply.Messages.ShouldBeEmpty();
        await cancelled.Task.DefaultTimeout();
        await host.Counter.Idle.DefaultTimeout();
        host.Script.Unary = (request, _) => Task.FromResult(Script.Echo(request));
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task Unary_HandlerIgnoresItsToken_IsAnsweredAllTheSame()
    {
        await using var host = await ServerHost.StartAsync();
        var release = new TaskCompletionSource();
        host.Script.Unary = async (request, _) =>
        {
            await release.Task;
            return Script.Echo(request);
        };

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest(), ("grpc-timeout", "50m"));

        reply.Status.ShouldBe((int)StatusCode.DeadlineExceeded);
        host.Counter.Idle.IsCompleted.ShouldBeFalse();
        release.SetResult();
        await host.Counter.Idle.DefaultTimeout();
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task ServerStream_DeadlinePasses_EndsBetweenWholeMessages()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        host.Script.ServerStream = async (request, replies, context) =>
        {
            for (var i = 0; ; i++)
            {
                await replies.WriteAsync(Script.Echo(request, i), context.CancellationToken);
                await Task.Yield();
            }
        };

        var reply = await host.Client.CallAsync(WireClient.ServerStream, new TestRequest { Text = "tick" }, ("grpc-timeout", "100m"));

        reply.Status.ShouldBe((int)StatusCode.DeadlineExceeded);
        reply.Messages.Count.ShouldBeGreaterThan(0);
        reply.Reply(reply.Messages.Count - 1).Index.ShouldBe(reply.Messages.Count - 1);
        await host.Counter.Idle.DefaultTimeout();
    }

    [Fact]
    public async Task Duplex_DeadlinePassesWhileReading_EndsTheRead()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        using var content = new OpenContent();

        var reply = await host.Client.OpenAsync(WireClient.Request(WireClient.Duplex, content, ("grpc-timeout", "100m")));
        await reply.ReadToEndAsync();

        reply.Status.ShouldBe((int)StatusCode.DeadlineExceeded);
        await host.Counter.Idle.DefaultTimeout();
        content.End();
    }

    [Theory]
    [InlineData("1H", 3600)]
    [InlineData("2M", 120)]
    [InlineData("90S", 90)]
    [InlineData("45000m", 45)]
    [InlineData("30000000u", 30)]
    [InlineData("99999999H", 99_999_999)]
    public async Task Deadline_OfACall_IsItsStartPlusTheTimeout(string timeout, int seconds)
    {
        await using var host = await ServerHost.StartAsync();
        DateTime deadline = default;
        host.Script.Unary = (request, context) =>
        {
            deadline = context.Deadline;
            return Task.FromResult(Script.Echo(request));
        };
        var before = DateTime.UtcNow;

        (await host.Client.CallAsync(WireClient.Unary, new TestRequest(), ("grpc-timeout", timeout))).Status.ShouldBe(0);

        deadline.Kind.ShouldBe(DateTimeKind.Utc);
        deadline.ShouldBeInRange(before.AddSeconds(seconds), DateTime.UtcNow.AddSeconds(seconds));
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("5")]
    [InlineData("-1S")]
    [InlineData("1.5S")]
    [InlineData("1s")]
    [InlineData("0S")]
    [InlineData("1 S")]
    [InlineData("99999999999S")]
    [InlineData("forever")]
    public async Task Deadline_MalformedTimeout_IsIgnored(string timeout)
    {
        await using var host = await ServerHost.StartAsync();
        DateTime deadline = default;
        host.Script.Unary = (request, context) =>
        {
            deadline = context.Deadline;
            return Task.FromResult(Script.Echo(request));
        };

        (await host.Client.CallAsync(WireClient.Unary, new TestRequest(), ("grpc-timeout", timeout))).Status.ShouldBe(0);

        deadline.ShouldBe(DateTime.MaxValue);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ServerStream_CallerLeaves_CancelsTheToken(bool withDeadline)
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.ServerStream = async (request, replies, context) =>
        {
            await replies.WriteAsync(Script.Echo(request));
            await using var registration = context.CancellationToken.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        };
        (string, string)[] headers = withDeadline ? [("grpc-timeout", "1H")] : [];

        var reply = await host.Client.OpenAsync(
            WireClient.Request(WireClient.ServerStream, new ByteArrayContent(WireClient.Frame(new TestRequest())), headers));
        (await reply.ReadAsync()).ShouldBeTrue();
        reply.Response.Dispose();

        await cancelled.Task.DefaultTimeout();
        await host.Counter.Idle.DefaultTimeout();
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task Duplex_CallerLeavesMidMessage_EndsTheRead()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        using var source = new CancellationTokenSource();
        using var content = new OpenContent();
        var read = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Duplex = async (requests, replies, _) =>
        {
            (await requests.MoveNext(CancellationToken.None)).ShouldBeTrue();
            read.SetResult();
            await requests.MoveNext(CancellationToken.None);
        };

        var open = host.Client.OpenAsync(WireClient.Request(WireClient.Duplex, content), source.Token);
        await content.WriteAsync([.. WireClient.Frame(new TestRequest()), 0, 0, 0, 0, 100, 1, 2, 3]);
        await read.Task.DefaultTimeout();
        await source.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => open);
        await host.Counter.Idle.DefaultTimeout();
        await host.Client.ExpectServingAsync();
        content.End();
    }

    [Fact]
    public async Task Unary_AnswersBeforeItsDeadline_LeavesNoTrace()
    {
        await using var host = await ServerHost.StartAsync();

        for (var i = 0; i < 50; i++)
        {
            var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest { Text = "quick" }, ("grpc-timeout", "30S"));
            reply.Status.ShouldBe(0);
        }
    }
}
