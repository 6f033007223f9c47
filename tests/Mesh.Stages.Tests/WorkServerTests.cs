using System.Collections.Concurrent;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Text.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Stages.Tests;

/// <summary>Streams of pieces of work over a real socket; the text encoder's messages stand for any stage's.</summary>
public sealed class WorkServerTests : IAsyncDisposable
{
    private const int MaxUnfinished = 4;
    private readonly ConcurrentDictionary<string, Gate> _gates = new();
    private readonly CancellationTokenSource _draining = new();
    private TestServer? _server;
    private GrpcChannel? _channel;

    [Fact]
    public async Task Serve_ManyPieces_AnswersThemAsTheyEnd()
    {
        using var call = await CallAsync();
        foreach (var id in new[] { 1, 2, 3 }) await call.SendAsync(Held(id));

        foreach (var id in new[] { 2, 3, 1 })
        {
            await (await GateOf(id)).ReleaseAsync();
            (await call.NextAsync()).Id.ShouldBe(id);
        }
        await call.CompleteAsync();

        (await call.EndsAsync()).ShouldBeTrue();
    }

    [Fact]
    public async Task Serve_CallerEndsItsHalf_AnswersWhatIsInFlight()
    {
        using var call = await CallAsync();
        await call.SendAsync(Held(1));
        await call.CompleteAsync();

        await (await GateOf(1)).ReleaseAsync();

        (await call.NextAsync()).Embedding.ShouldNotBeNull();
        (await call.EndsAsync()).ShouldBeTrue();
    }

    [Fact]
    public async Task Serve_CancelById_EndsThatPieceAlone()
    {
        using var call = await CallAsync();
        await call.SendAsync(Held(1));
        await call.SendAsync(Held(2));
        var gate = await GateOf(1);

        await call.SendAsync(new EncodeRequest { Id = 1, Cancel = true });

        var cancelled = await call.NextAsync();
        cancelled.Id.ShouldBe(1);
        cancelled.Failure.ShouldBe(StatusCode.Cancelled, FaultReasons.Cancelled);
        await gate.Cancelled.DefaultTimeout();
        await (await GateOf(2)).ReleaseAsync();
        (await call.NextAsync()).Embedding.ShouldNotBeNull();
    }

    [Fact]
    public async Task Serve_CancelOfAnUnknownId_DoesNothing()
    {
        using var call = await CallAsync();
        await call.SendAsync(new EncodeRequest { Id = 99, Cancel = true });

        (await call.AskAsync(new EncodeRequest { Id = 99, Prompt = "echo" })).Embedding.ShouldNotBeNull();
    }

    [Fact]
    public async Task Serve_TimeoutOfAPiece_IsDeadlineExceeded()
    {
        using var call = await CallAsync();

        var answer = await call.AskAsync(Held(1, timeoutUs: 1000));

        answer.Failure.ShouldBe(StatusCode.DeadlineExceeded, FaultReasons.DeadlineExceeded);
        answer.Timings.TotalUs.ShouldBeGreaterThanOrEqualTo(1000);
    }

    [Fact]
    public async Task Serve_NegativeTimeout_IsInvalid()
    {
        using var call = await CallAsync();

        (await call.AskAsync(Held(1, timeoutUs: -1))).Failure.ShouldBeInvalid("timeout_us");
    }

    [Fact]
    public async Task Serve_TooManyUnfinished_RefusesTheNextWithRetryInfo()
    {
        using var call = await CallAsync();
        for (var id = 1; id <= MaxUnfinished; id++) await call.SendAsync(Held(id));
        await GateOf(MaxUnfinished);

        var refused = await call.AskAsync(Held(MaxUnfinished + 1));

        refused.Id.ShouldBe(MaxUnfinished + 1);
        refused.Failure.ShouldBe(StatusCode.ResourceExhausted, StageFaults.StreamFull);
        refused.Failure.Detail<RetryInfo>().ShouldNotBeNull().RetryDelay.ToTimeSpan().ShouldBeGreaterThan(TimeSpan.Zero);
        await (await GateOf(1)).ReleaseAsync();
        (await call.NextAsync()).Id.ShouldBe(1);
        (await call.AskAsync(new EncodeRequest { Id = 9, Prompt = "echo" })).Embedding.ShouldNotBeNull();
    }

    [Fact]
    public async Task Serve_IdThatIsInUse_EndsTheStream()
    {
        using var call = await CallAsync();
        await call.SendAsync(Held(1));
        var gate = await GateOf(1);

        await call.SendAsync(Held(1));

        var fault = await Should.ThrowAsync<RpcException>(async () =>
        {
            // The piece that was there is told of its end before the stream's.
            while (!await call.EndsAsync()) continue;
        });
        fault.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        await gate.Cancelled.DefaultTimeout();
    }

    [Fact]
    public async Task Serve_FaultOfAPiece_IsItsAnswerAndTheStreamLivesOn()
    {
        using var call = await CallAsync();

        (await call.AskAsync(new EncodeRequest { Id = 1, Prompt = "refuse" })).Failure.ShouldBeInvalid("prompt");
        (await call.AskAsync(new EncodeRequest { Id = 2, Prompt = "echo" })).Embedding.ShouldNotBeNull();
    }

    [Fact]
    public async Task Serve_BugInAPiece_IsInternalWithoutItsWords()
    {
        using var call = await CallAsync();
        _server!.Logs.Expect<InvalidOperationException>();

        var answer = await call.AskAsync(new EncodeRequest { Id = 1, Prompt = "bug" });

        answer.Failure.ShouldBe(StatusCode.Internal, FaultReasons.Internal);
        answer.Failure.ToString().ShouldNotContain("secret");
        _server.Logs.Lines.ShouldContain(x => x.Exception is InvalidOperationException && x.Exception.Message.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Serve_CallerLeaves_CancelsItsPieces()
    {
        var call = await CallAsync();
        await call.SendAsync(Held(1));
        var gate = await GateOf(1);

        call.Dispose();

        await gate.Cancelled.DefaultTimeout();
    }

    [Fact]
    public async Task Serve_Draining_EndsWhatItHasAndRefusesTheRest()
    {
        using var call = await CallAsync();
        await call.SendAsync(Held(1));
        var gate = await GateOf(1);

        await _draining.CancelAsync();

        (await call.AskAsync(new EncodeRequest { Id = 2, Prompt = "echo" })).Failure.ShouldBe(StatusCode.Unavailable, FaultReasons.Draining);
        await gate.ReleaseAsync();
        (await call.NextAsync()).Embedding.ShouldNotBeNull();
        (await Should.ThrowAsync<RpcException>(() => call.EndsAsync())).StatusCode.ShouldBe(StatusCode.Unavailable);
    }

    [Fact]
    public async Task Serve_DrainingWhileNothingRuns_EndsTheStream()
    {
        using var call = await CallAsync();
        (await call.AskAsync(new EncodeRequest { Id = 1, Prompt = "echo" })).Embedding.ShouldNotBeNull();

        await _draining.CancelAsync();

        (await Should.ThrowAsync<RpcException>(() => call.EndsAsync())).StatusCode.ShouldBe(StatusCode.Unavailable);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var gate in _gates.Values) await gate.ReleaseAsync();
        _channel?.Dispose();
        if (_server is not null) await _server.DisposeAsync();
        _draining.Dispose();
    }

    private static EncodeRequest Held(int id, long timeoutUs = 0) => new() { Id = id, Prompt = $"hold {id}", TimeoutUs = timeoutUs };

    private async Task<Gate> GateOf(int id)
    {
        var gate = _gates.GetOrAdd($"hold {id}", _ => new Gate());
        await gate.Reached.DefaultTimeout();
        return gate;
    }

    private async Task<WorkCall<EncodeRequest, EncodeResponse>> CallAsync()
    {
        _server = await TestServer.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc(x => x.Interceptors.Add<StatusInterceptor>());
                builder.Services.AddSingleton<FaultReporter>();
                builder.Services.AddSingleton(x => new Service(this, x.GetRequiredService<FaultReporter>()));
            },
            app => app.MapGrpcService<Service>());
        _channel = GrpcChannel.ForAddress(_server.Address());
        return new(new TextEncoderService.TextEncoderServiceClient(_channel).Encode());
    }

    private async Task HandleAsync(EncodeRequest request, WorkItem work, Func<EncodeResponse, Task> answer)
    {
        switch (request.Prompt)
        {
            case "refuse":
                throw MeshException.InvalidArgument("prompt", "is refused");
            case "bug":
                throw new InvalidOperationException("a secret");
            case "echo":
                break;
            default:
                await _gates.GetOrAdd(request.Prompt, _ => new Gate()).PassAsync(work.Cancelled);
                break;
        }
        await answer(new EncodeResponse { Id = work.Id, Embedding = new(), Timings = work.Timings() });
    }

    /// <summary>Where a piece of work waits until the test lets it pass.</summary>
    private sealed class Gate
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task;

        public Task Cancelled => _cancelled.Task;

        public Task ReleaseAsync()
        {
            _open.TrySetResult();
            return Task.CompletedTask;
        }

        public async Task PassAsync(CancellationToken cancel)
        {
            _reached.TrySetResult();
            try
            {
                await _open.Task.WaitAsync(cancel);
            }
            catch (OperationCanceledException)
            {
                _cancelled.TrySetResult();
                throw;
            }
        }
    }

    private sealed class Service(WorkServerTests test, FaultReporter reporter) : TextEncoderService.TextEncoderServiceBase
    {
        private readonly WorkServer<EncodeRequest, EncodeResponse> _stream = new(
            new(
                "test/Encode",
                x => new WorkHeader(x.Id, x.Cancel, x.TimeoutUs, x.Traceparent),
                (id, status, timings) => new EncodeResponse { Id = id, Failure = status, Timings = timings }),
            test.HandleAsync, MaxUnfinished, reporter, TimeProvider.System, test._draining.Token);

        public override Task Encode(IAsyncStreamReader<EncodeRequest> requestStream, IServerStreamWriter<EncodeResponse> responseStream, ServerCallContext context) =>
            _stream.ServeAsync(requestStream, responseStream, context);
    }

    /// <summary>What the mesh's own interceptor does with a fault of a whole call.</summary>
    private sealed class StatusInterceptor : Grpc.Core.Interceptors.Interceptor
    {
        public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            try
            {
                await continuation(requestStream, responseStream, context);
            }
            catch (MeshException fault)
            {
                throw fault.ToStatus().ToRpcException();
            }
            catch (OperationCanceledException e)
            {
                throw new RpcException(new Grpc.Core.Status(StatusCode.Cancelled, e.Message));
            }
        }
    }
}
