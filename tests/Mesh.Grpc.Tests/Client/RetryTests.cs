using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using Mesh.Testing;
using Microsoft.AspNetCore.Http;

namespace Mesh.Grpc.Tests.Client;

public sealed class RetryTests
{
    [Fact]
    public async Task Retry_FailsTwiceThenSucceeds_ReturnsTheAnswer()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.Unavailable), context => context.Response.Refuse(StatusCode.Unavailable), EchoAsync);
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry());

        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "again");

        (await call.ResponseAsync.DefaultTimeout()).ShouldBe("again");
        attempts.PreviousAttempts.ShouldBe(["", "1", "2"]);
        (await call.ResponseHeadersAsync.DefaultTimeout()).GetValue("grpc-previous-rpc-attempts").ShouldBe("2");
    }

    [Fact]
    public async Task Retry_AlwaysFails_StopsAtMaxAttempts()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.Unavailable, "busy"));
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry(maxAttempts: 4));

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.Status.Detail.ShouldBe("busy");
        attempts.Count.ShouldBe(4);
    }

    [Fact]
    public async Task Retry_ChannelAllowsFewerAttempts_StopsThere()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.Unavailable));
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry(maxAttempts: 5), options => options.MaxRetryAttempts = 2);

        await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        attempts.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Retry_OtherStatus_IsNotRetried()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.InvalidArgument));
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry());

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        attempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Retry_OtherMethod_IsNotRetried()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.Unavailable));
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        var config = Retry();
        config.Names.Clear();
        config.Names.Add(new MethodName { Service = RawServer.Unary.ServiceName, Method = "Other" });
        using var channel = CreateChannel(server, config);

        await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        attempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Retry_ResponseHasBegun_IsNotRetried()
    {
        var attempts = new Attempts(async context =>
        {
            await context.Response.SendAsync("begun");
            context.Response.EndWith(StatusCode.Unavailable);
        });
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry());
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        (await Wire.FailureAsync(call.ResponseStream.MoveNext(CancellationToken.None))).StatusCode.ShouldBe(StatusCode.Unavailable);
        attempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Retry_PushbackNegative_IsNotRetried()
    {
        var attempts = new Attempts(context =>
        {
            context.Response.Headers["grpc-retry-pushback-ms"] = "-1";
            return context.Response.Refuse(StatusCode.Unavailable);
        });
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry());

        await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        attempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Retry_PushbackZero_OverridesTheBackoff()
    {
        var attempts = new Attempts(
            context =>
            {
                context.Response.Headers["grpc-retry-pushback-ms"] = "0";
                return context.Response.Refuse(StatusCode.Unavailable);
            },
            EchoAsync);
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry(backoff: TimeSpan.FromHours(10)));

        (await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "now").ResponseAsync.DefaultTimeout()).ShouldBe("now");
    }

    [Fact]
    public async Task Retry_DeadlineDuringTheBackoff_FailsWithIt()
    {
        var attempts = new Attempts(context =>
        {
            context.Response.Headers["grpc-retry-pushback-ms"] = "3600000";
            return context.Response.Refuse(StatusCode.Unavailable);
        });
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry());

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(1)), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        attempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Retry_CancelDuringTheBackoff_EndsTheCallAtOnce()
    {
        var refused = new TaskCompletionSource();
        var attempts = new Attempts(context =>
        {
            context.Response.Headers["grpc-retry-pushback-ms"] = "3600000";
            context.Response.OnCompleted(() =>
            {
                refused.SetResult();
                return Task.CompletedTask;
            });
            return context.Response.Refuse(StatusCode.Unavailable);
        });
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry());
        using var source = new CancellationTokenSource();

        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(cancellationToken: source.Token), "");
        await refused.Task.DefaultTimeout();
        await source.CancelAsync();

        // The server's end of the attempt may be ahead of the client's, which then has its answer before the cancellation; what it may not do is wait.
        (await Wire.FailureAsync(call.ResponseAsync)).StatusCode.ShouldBeOneOf(StatusCode.Cancelled, StatusCode.Unavailable);
    }

    [Fact]
    public async Task Retry_Throttled_StopsRetrying()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.Unavailable));
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry(maxAttempts: 5), throttling: new RetryThrottlingPolicy { MaxTokens = 4, TokenRatio = 0.1 });
        var invoker = channel.CreateCallInvoker();

        await Wire.FailureAsync(invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);
        var first = attempts.Count;
        await Wire.FailureAsync(invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        // Four tokens: after two failures half are left, which is no longer more than half.
        first.ShouldBe(2);
        attempts.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Retry_StreamedRequests_AreSentAgain()
    {
        var attempts = new Attempts(
            async context =>
            {
                (await context.Request.ReadAsync()).ShouldBe("1");
                await context.Response.Refuse(StatusCode.Unavailable);
            },
            async context =>
            {
                var all = new List<string>();
                while (await context.Request.ReadAsync() is { } message) all.Add(message);
                await context.Response.AnswerAsync(string.Join(',', all));
            });
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry());
        using var call = channel.CreateCallInvoker().AsyncClientStreamingCall(RawServer.ClientStream, null, new CallOptions());

        for (var i = 1; i <= 5; i++) await call.RequestStream.WriteAsync($"{i}").DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();

        (await call.ResponseAsync.DefaultTimeout()).ShouldBe("1,2,3,4,5");
        attempts.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Retry_RequestOverTheBuffer_IsNotRetried()
    {
        var attempts = new Attempts(async context =>
        {
            await context.Request.ReadAsync();
            await context.Response.Refuse(StatusCode.Unavailable);
        });
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Retry(), options => options.MaxRetryBufferPerCallSize = 100);

        await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), new string('x', 200)).ResponseAsync);

        attempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Hedging_FirstAttemptHangs_SecondAnswersAndFirstIsCancelled()
    {
        var cancelled = new TaskCompletionSource();
        var attempts = new Attempts(
            async context =>
            {
                await using var registration = context.RequestAborted.Register(cancelled.SetResult);
                await cancelled.Task.DefaultTimeout();
            },
            EchoAsync);
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Hedging(TimeSpan.FromMilliseconds(50)));

        (await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "fast").ResponseAsync.DefaultTimeout()).ShouldBe("fast");
        await cancelled.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Hedging_NonFatalFailure_StartsTheNextAtOnce()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.Unavailable), EchoAsync);
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Hedging(TimeSpan.FromHours(1)));

        (await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "next").ResponseAsync.DefaultTimeout()).ShouldBe("next");
        attempts.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Hedging_FatalFailure_EndsTheCall()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.NotFound));
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Hedging(TimeSpan.FromHours(1)));

        (await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync)).StatusCode.ShouldBe(StatusCode.NotFound);
        attempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Hedging_AllFail_EndsWithAFailure()
    {
        var attempts = new Attempts(context => context.Response.Refuse(StatusCode.Unavailable));
        await using var server = await RawServer.StartAsync(attempts.HandleAsync);
        using var channel = CreateChannel(server, Hedging(TimeSpan.Zero));

        (await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync)).StatusCode.ShouldBe(StatusCode.Unavailable);
        attempts.Count.ShouldBe(3);
    }

    [Fact]
    public void Config_Invalid_IsRefusedByTheChannel()
    {
        var both = Retry();
        both.HedgingPolicy = new HedgingPolicy { MaxAttempts = 2 };
        var options = new GrpcChannelOptions { ServiceConfig = new ServiceConfig { MethodConfigs = { both } } };

        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress("http://localhost:1", options));
    }

    private static async Task EchoAsync(HttpContext context) => await context.Response.AnswerAsync((await context.Request.ReadAsync())!);

    private static MethodConfig Retry(int maxAttempts = 5, TimeSpan? backoff = null) => new()
    {
        Names = { MethodName.Default },
        RetryPolicy = new RetryPolicy
        {
            MaxAttempts = maxAttempts,
            InitialBackoff = backoff ?? TimeSpan.FromMilliseconds(1),
            MaxBackoff = backoff ?? TimeSpan.FromMilliseconds(5),
            BackoffMultiplier = 1.5,
            RetryableStatusCodes = { StatusCode.Unavailable },
        },
    };

    private static MethodConfig Hedging(TimeSpan delay) => new()
    {
        Names = { MethodName.Default },
        HedgingPolicy = new HedgingPolicy { MaxAttempts = 3, HedgingDelay = delay, NonFatalStatusCodes = { StatusCode.Unavailable } },
    };

    private static GrpcChannel CreateChannel(RawServer server, MethodConfig config, Action<GrpcChannelOptions>? configure = null, RetryThrottlingPolicy? throttling = null) =>
        server.CreateChannel(options =>
        {
            options.ServiceConfig = new ServiceConfig { MethodConfigs = { config }, RetryThrottling = throttling };
            configure?.Invoke(options);
        });

    /// <summary>Handlers by attempt; the last one handles all that follow.</summary>
    private sealed class Attempts(params RequestDelegate[] handlers)
    {
        private readonly List<string> _previous = [];

        public int Count
        {
            get
            {
                lock (_previous) return _previous.Count;
            }
        }

        public IReadOnlyList<string> PreviousAttempts
        {
            get
            {
                lock (_previous) return [.. _previous];
            }
        }

        public Task HandleAsync(HttpContext context)
        {
            int index;
            lock (_previous)
            {
                index = _previous.Count;
                _previous.Add(context.Request.Headers["grpc-previous-rpc-attempts"].ToString());
            }
            return handlers[Math.Min(index, handlers.Length - 1)](context);
        }
    }
}
