using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client.Configuration;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Functional;

public sealed class RetryTests
{
    /// <summary>A policy that repeats calls that find nobody, after a few milliseconds.</summary>
    public static MethodConfig Policy(int attempts) => new()
    {
        Names = { MethodName.Default },
        RetryPolicy = new RetryPolicy
        {
            MaxAttempts = attempts,
            InitialBackoff = TimeSpan.FromMilliseconds(20),
            MaxBackoff = TimeSpan.FromMilliseconds(100),
            BackoffMultiplier = 2,
            RetryableStatusCodes = { StatusCode.Unavailable },
        },
    };

    [Fact]
    public async Task Retry_TwoFailuresOfFourAttempts_SucceedsAndCountsThem()
    {
        var failures = new Failures { Left = 2 };
        await using var host = await StartAsync(failures);
        var reply = await Connect(host, attempts: 4).UnaryAsync(new TestRequest { Text = "third time" }).ResponseAsync.DefaultTimeout();
        reply.Text.ShouldBe("third time");
        failures.PreviousAttempts.ShouldBe([null, "1", "2"]);
    }

    [Fact]
    public async Task Retry_MoreFailuresThanAttempts_GivesTheLastStatus()
    {
        var failures = new Failures { Left = int.MaxValue };
        await using var host = await StartAsync(failures);
        await Connect(host, attempts: 3).UnaryAsync(new TestRequest()).ResponseAsync.ShouldFailAsync(StatusCode.Unavailable);
        failures.PreviousAttempts.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Retry_StatusThatThePolicyDoesNotName_IsNotRepeated()
    {
        var failures = new Failures { Left = int.MaxValue, Code = StatusCode.Internal };
        await using var host = await StartAsync(failures);
        await Connect(host, attempts: 5).UnaryAsync(new TestRequest()).ResponseAsync.ShouldFailAsync(StatusCode.Internal);
        failures.PreviousAttempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Retry_StreamThatHasAnswered_IsNotRepeated()
    {
        var failures = new Failures();
        await using var host = await StartAsync(failures);
        using var call = Connect(host, attempts: 5).ServerStream(new TestRequest { Count = 2, Status = (int)StatusCode.Unavailable });
        await call.ResponseStream.NextAsync();
        await call.ResponseStream.NextAsync();
        await call.ResponseStream.MoveNext(default).ShouldFailAsync(StatusCode.Unavailable);
        failures.PreviousAttempts.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Retry_ServerStreamThatFailedBeforeAnswering_IsRepeated()
    {
        var failures = new Failures { Left = 1 };
        await using var host = await StartAsync(failures);
        using var call = Connect(host, attempts: 3).ServerStream(new TestRequest { Count = 5 });
        (await call.ReadAllAsync()).Count.ShouldBe(5);
    }

    [Fact]
    public async Task Retry_ClientStream_SendsWhatWasWrittenAgain()
    {
        var failures = new Failures { Left = 2 };
        await using var host = await StartAsync(failures);
        using var call = Connect(host, attempts: 4).ClientStream();
        for (var i = 0; i < 10; i++)
            await call.RequestStream.WriteAsync(new TestRequest { Text = $"{i}" }).DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        (await call.ResponseAsync.DefaultTimeout()).Text.ShouldBe("0123456789");
    }

    [Fact]
    public async Task Retry_DeadlinePassedBetweenAttempts_EndsTheCall()
    {
        var failures = new Failures { Left = int.MaxValue };
        await using var host = await StartAsync(failures);
        var config = Policy(attempts: 5);
        config.RetryPolicy!.InitialBackoff = config.RetryPolicy.MaxBackoff = TimeSpan.FromMinutes(10);
        var client = host.Connect(configure: options => options.ServiceConfig = new ServiceConfig { MethodConfigs = { config } });
        var call = client.UnaryAsync(new TestRequest(), deadline: DateTime.UtcNow.AddMilliseconds(500));
        await call.ResponseAsync.ShouldFailAsync(StatusCode.DeadlineExceeded);
    }

    private static Task<TestHost> StartAsync(Failures failures) => TestHost.StartAsync(
        grpc: options => options.Interceptors.Add<FailingInterceptor>(),
        services: services => services.AddSingleton(failures));

    private static TestService.TestServiceClient Connect(TestHost host, int attempts) =>
        host.Connect(configure: options => options.ServiceConfig = new ServiceConfig { MethodConfigs = { Policy(attempts) } });

    private sealed class Failures
    {
        private int _left;

        public int Left { init => _left = value; }

        public StatusCode Code { get; init; } = StatusCode.Unavailable;

        public ConcurrentQueue<string?> PreviousAttempts { get; } = new();

        public void Begin(ServerCallContext context)
        {
            PreviousAttempts.Enqueue(context.RequestHeaders.GetValue("grpc-previous-rpc-attempts"));
            if (Interlocked.Decrement(ref _left) >= 0)
                throw new RpcException(new Status(Code, "Not yet."));
        }
    }

    private sealed class FailingInterceptor(Failures failures) : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            failures.Begin(context);
            return continuation(request, context);
        }

        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            failures.Begin(context);
            return continuation(request, responseStream, context);
        }

        public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
        {
            failures.Begin(context);
            return continuation(requestStream, context);
        }
    }
}
