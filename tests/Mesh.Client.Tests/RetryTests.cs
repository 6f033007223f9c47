using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Mesh.Testing;
using Answers = Mesh.Client.Tests.FakeGateway.Answers;

namespace Mesh.Client.Tests;

public sealed class RetryTests
{
    private static readonly GenerationRequest TwoCats = new("two cats") { Count = 2 };

    [Fact]
    public async Task Generate_ConnectionBreaksMidStream_GoesOnWithTheSameRequestAndTellsNothingTwice()
    {
        await using var gateway = await FakeGateway.StartAsync();
        await using var relay = new TcpRelay(gateway.Server.Port());
        var attempts = 0;
        gateway.Told.OnGenerate = async (request, stream, context) =>
        {
            var answers = new Answers(request, stream);
            var isFirst = Interlocked.Increment(ref attempts) == 1;
            await answers.BeginAsync(isReplayed: !isFirst);
            await answers.ImageAsync(0);
            if (isFirst)
            {
                await answers.PieceAsync(1, FakeGateway.FileOf(answers.Seed(1)), 0, 0);
                await Task.Delay(Timeout.Infinite, context.CancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
                return;
            }
            await answers.ImageAsync(1);
        };
        using var client = gateway.CreateClient(x => x.Address = $"127.0.0.1:{relay.Port}");
        using var limit = new CancellationTokenSource(TimeoutExtensions.Default);

        var events = new List<ImageEvent>();
        await foreach (var happened in client.GenerateAsync(TwoCats, limit.Token))
        {
            events.Add(happened);
            if (happened is ImageReady { Image.Index: 0 }) relay.Drop();
        }

        events.Select(x => x.GetType()).ShouldBe([typeof(CallAccepted), typeof(PromptEncoded), typeof(ImageReady), typeof(ImageReady)]);
        events.Select(x => x.Sequence).ShouldBe([1L, 2L, 3L, 4L]);
        events.OfType<ImageReady>().Select(x => x.Image.Index).ShouldBe([0, 1]);
        var sent = gateway.Told.Generated.ToArray();
        sent.Length.ShouldBe(2);
        sent[1].ShouldBe(sent[0], "a retry asks for the very same, seeds included");
        sent[0].Seeds.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Generate_UnavailableTwice_SucceedsTheThirdTime()
    {
        await using var gateway = await FakeGateway.StartAsync();
        FailFirst(gateway, 2, () => FakeGateway.Fault(StatusCode.Unavailable, "NO_REPLICA", "no text encoder is up"));
        using var client = gateway.CreateClient();

        (await client.GenerateImagesAsync(TwoCats).DefaultTimeout()).Count.ShouldBe(2);

        gateway.Told.Generated.Select(x => x.RequestId).Distinct().ShouldHaveSingleItem();
        gateway.Told.Generated.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Generate_BusyWithAHint_ComesBackAfterIt()
    {
        await using var gateway = await FakeGateway.StartAsync();
        var hint = TimeSpan.FromMilliseconds(50);
        FailFirst(gateway, 1, () => FakeGateway.Fault(StatusCode.ResourceExhausted, "QUEUE_FULL", "full", new RetryInfo { RetryDelay = Duration.FromTimeSpan(hint) }));
        using var client = gateway.CreateClient();
        var start = TimeProvider.System.GetTimestamp();

        await client.GenerateImagesAsync(TwoCats).DefaultTimeout();

        TimeProvider.System.GetElapsedTime(start).ShouldBeGreaterThanOrEqualTo(hint);
    }

    [Theory]
    [InlineData(StatusCode.ResourceExhausted)]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.DeadlineExceeded)]
    public async Task Generate_FaultThatARetryWouldNotHelp_IsToldAtOnce(StatusCode code)
    {
        await using var gateway = await FakeGateway.StartAsync();
        FailFirst(gateway, 1, () => FakeGateway.Fault(code, "NO", "no"));
        using var client = gateway.CreateClient();

        var fault = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(TwoCats).DefaultTimeout());

        (fault.Code, fault.Reason).ShouldBe((code, "NO"));
        gateway.Told.Generated.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(2, 3)]
    public async Task Generate_AlwaysUnavailable_EndsWhenRetriesAreUsedUp(int retries, int attempts)
    {
        await using var gateway = await FakeGateway.StartAsync();
        FailFirst(gateway, int.MaxValue, () => FakeGateway.Fault(StatusCode.Unavailable, "NO_REPLICA", "no text encoder is up"));
        using var client = gateway.CreateClient(x => x.Retries = retries);

        var fault = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(TwoCats).DefaultTimeout());

        fault.Reason.ShouldBe("NO_REPLICA");
        fault.IsTransient.ShouldBeTrue();
        gateway.Told.Generated.Count.ShouldBe(attempts);
    }

    [Fact]
    public async Task Generate_HintBeyondTheDeadline_IsNotWaitedFor()
    {
        await using var gateway = await FakeGateway.StartAsync();
        FailFirst(gateway, 1, () => FakeGateway.Fault(StatusCode.Unavailable, "GOING_DOWN", "down", new RetryInfo { RetryDelay = Duration.FromTimeSpan(TimeSpan.FromHours(1)) }));
        using var client = gateway.CreateClient();

        var fault = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(TwoCats).DefaultTimeout());

        fault.RetryAfter.ShouldBe(TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task Generate_NobodyListens_IsUnreachable()
    {
        int port;
        await using (var gateway = await FakeGateway.StartAsync()) port = gateway.Server.Port();
        using var client = new MeshClient(new MeshClientOptions { Address = $"http://127.0.0.1:{port}", Retries = 1, RetryBackoff = TimeSpan.FromMilliseconds(1) });

        var fault = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(TwoCats).DefaultTimeout());

        (fault.Code, fault.Reason).ShouldBe((StatusCode.Unavailable, MeshException.Unreachable));
    }

    [Fact]
    public async Task Generate_DeadlinePasses_SaysSoAndTheMeshHears()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnGenerate = (_, _, context) => Task.Delay(Timeout.Infinite, context.CancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
        using var client = gateway.CreateClient();

        var fault = await Should.ThrowAsync<MeshException>(
            () => client.GenerateImagesAsync(TwoCats with { Deadline = TimeSpan.FromMilliseconds(300) }).DefaultTimeout());

        (fault.Code, fault.Reason).ShouldBe((StatusCode.DeadlineExceeded, MeshException.DeadlinePassed));
        await gateway.Told.Cancelled.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Generate_Cancelled_ThrowsAndTheMeshHears()
    {
        await using var gateway = await FakeGateway.StartAsync();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Told.OnGenerate = (_, _, context) =>
        {
            started.SetResult();
            return Task.Delay(Timeout.Infinite, context.CancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
        };
        using var client = gateway.CreateClient();
        using var cancel = new CancellationTokenSource();

        var call = client.GenerateImagesAsync(TwoCats, cancel.Token);
        await started.Task.DefaultTimeout();
        await cancel.CancelAsync();

        var thrown = await Should.ThrowAsync<OperationCanceledException>(() => call.DefaultTimeout());
        thrown.CancellationToken.ShouldBe(cancel.Token);
        await gateway.Told.Cancelled.Task.DefaultTimeout();
        gateway.Told.Generated.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Generate_LoopLeft_TheMeshHears()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnGenerate = async (request, stream, context) =>
        {
            await new Answers(request, stream).BeginAsync();
            await Task.Delay(Timeout.Infinite, context.CancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
        };
        using var client = gateway.CreateClient();

        await foreach (var happened in client.GenerateAsync(TwoCats))
        {
            if (happened is PromptEncoded) break;
        }

        await gateway.Told.Cancelled.Task.DefaultTimeout();
    }

    private static void FailFirst(FakeGateway gateway, int times, Func<RpcException> fault)
    {
        var calls = 0;
        gateway.Told.OnGenerate = (request, stream, context) => Interlocked.Increment(ref calls) <= times ? throw fault() : Answers.GenerateAsync(request, stream, context);
    }
}
