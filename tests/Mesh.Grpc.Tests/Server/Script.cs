using Grpc.Core;
using Grpc.Core.Interceptors;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

/// <summary>What the scripted service does: each test puts its own handlers in.</summary>
internal sealed class Script
{
    internal Func<TestRequest, ServerCallContext, Task<TestReply>> Unary { get; set; } = (request, _) => Task.FromResult(Echo(request));

    internal Func<TestRequest, IServerStreamWriter<TestReply>, ServerCallContext, Task> ServerStream { get; set; } = async (request, replies, _) =>
    {
        for (var i = 0; i < request.Count; i++)
            await replies.WriteAsync(Echo(request, i));
    };

    internal Func<IAsyncStreamReader<TestRequest>, ServerCallContext, Task<TestReply>> ClientStream { get; set; } = async (requests, _) =>
    {
        var reply = new TestReply();
        while (await requests.MoveNext(CancellationToken.None))
        {
            reply.Text += requests.Current.Text;
            reply.Index++;
            reply.ReceivedBytes += requests.Current.Payload.Length;
        }
        return reply;
    };

    internal Func<IAsyncStreamReader<TestRequest>, IServerStreamWriter<TestReply>, ServerCallContext, Task> Duplex { get; set; }
        = async (requests, replies, _) =>
        {
            for (var i = 0; await requests.MoveNext(CancellationToken.None); i++)
                await replies.WriteAsync(Echo(requests.Current, i));
        };

    internal static TestReply Echo(TestRequest request, int index = 0)
        => new() { Text = request.Text, Payload = request.Payload, Index = index, ReceivedBytes = request.Payload.Length };
}

/// <summary>The test service as a script plays it.</summary>
internal sealed class ScriptedService(Script script) : TestService.TestServiceBase
{
    public override Task<TestReply> Unary(TestRequest request, ServerCallContext context) => script.Unary(request, context);

    public override Task ServerStream(TestRequest request, IServerStreamWriter<TestReply> responseStream, ServerCallContext context)
        => script.ServerStream(request, responseStream, context);

    public override Task<TestReply> ClientStream(IAsyncStreamReader<TestRequest> requestStream, ServerCallContext context)
        => script.ClientStream(requestStream, context);

    public override Task Duplex(IAsyncStreamReader<TestRequest> requestStream, IServerStreamWriter<TestReply> responseStream, ServerCallContext context)
        => script.Duplex(requestStream, responseStream, context);
}

/// <summary>Counts the handlers that run, so that a test sees those that a broken call left behind.</summary>
internal sealed class CallCounter
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _idle = new();
    private int _open;

    public CallCounter() => _idle.SetResult();

    internal int Total { get; private set; }

    /// <summary>Ends when no handler runs.</summary>
    internal Task Idle
    {
        get
        {
            lock (_lock)
                return _idle.Task;
        }
    }

    internal void Enter()
    {
        lock (_lock)
        {
            Total++;
            if (_open++ == 0)
                _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    internal void Leave()
    {
        lock (_lock)
        {
            if (--_open == 0)
                _idle.SetResult();
        }
    }
}

/// <summary>Puts each call through a <see cref="CallCounter"/>.</summary>
internal sealed class CountingInterceptor(CallCounter counter) : Interceptor
{
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        => CountAsync(() => continuation(request, context));

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
        => CountAsync(() => continuation(requestStream, context));

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
        => CountAsync(async () =>
        {
            await continuation(request, responseStream, context);
            return true;
        });

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        => CountAsync(async () =>
        {
            await continuation(requestStream, responseStream, context);
            return true;
        });

    private async Task<T> CountAsync<T>(Func<Task<T>> call)
    {
        counter.Enter();
        try
        {
            return await call();
        }
        finally
        {
            counter.Leave();
        }
    }
}
