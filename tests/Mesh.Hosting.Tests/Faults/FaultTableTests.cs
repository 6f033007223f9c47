using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Mesh.Batching;
using Mesh.Contracts.Image.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.Hosting.Tests.Faults;

public sealed class FaultTableTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(1500);

    /// <summary>What a handler throws; what the caller must see: code, reason, and one detail besides ErrorInfo.</summary>
    private static readonly Dictionary<string, (Exception Thrown, StatusCode Code, string Reason, IMessage? Detail)> Table = new()
    {
        ["invalid"] = (MeshException.InvalidArgument("prompt", "is empty"), StatusCode.InvalidArgument, "INVALID_ARGUMENT",
            new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = "prompt", Description = "is empty" } } }),
        ["not found"] = (MeshException.NotFound("lora", "ink"), StatusCode.NotFound, "LORA_NOT_FOUND", new ResourceInfo { ResourceType = "lora", ResourceName = "ink" }),
        ["not installed"] = (MeshException.FailedPrecondition("MODEL_NOT_INSTALLED", "aura-sr", "Put its weights into x."), StatusCode.FailedPrecondition, "MODEL_NOT_INSTALLED",
            new PreconditionFailure { Violations = { new PreconditionFailure.Types.Violation { Type = "MODEL_NOT_INSTALLED", Subject = "aura-sr", Description = "Put its weights into x." } } }),
        ["overloaded"] = (MeshException.Overloaded("TOO_MANY", "Too many calls.", Soon), StatusCode.ResourceExhausted, "TOO_MANY", Retry(Soon)),
        ["quota"] = (MeshException.QuotaExceeded("DAILY_IMAGES", "caller:studio", "100 a day.", null), StatusCode.ResourceExhausted, "DAILY_IMAGES",
            new QuotaFailure { Violations = { new QuotaFailure.Types.Violation { Subject = "caller:studio", Description = "100 a day." } } }),
        ["unavailable"] = (MeshException.Unavailable("NO_REPLICA", "No decoder answers.", Soon), StatusCode.Unavailable, "NO_REPLICA", Retry(Soon)),
        ["no key"] = (MeshException.Unauthenticated("The key is wrong."), StatusCode.Unauthenticated, "UNAUTHENTICATED", null),
        ["any code"] = (new MeshException(StatusCode.AlreadyExists, "JOB_EXISTS", "It runs."), StatusCode.AlreadyExists, "JOB_EXISTS", null),
        ["queue full"] = (new QueueFullException(64, Soon), StatusCode.ResourceExhausted, "QUEUE_FULL", Retry(Soon)),
        ["draining"] = (new DrainingException(), StatusCode.Unavailable, "DRAINING", Retry(TimeSpan.FromSeconds(1))),
        ["expired"] = (new ExpiredException(Soon), StatusCode.DeadlineExceeded, "DEADLINE_EXCEEDED", null),
        ["cancelled"] = (new OperationCanceledException(), StatusCode.Cancelled, "CANCELLED", null),
        ["peer"] = (new RpcException(new Grpc.Core.Status(StatusCode.PermissionDenied, "no")), StatusCode.PermissionDenied, "PERMISSION_DENIED", null),
        ["peer with details"] = (MeshException.NotFound("model", "m").ToStatus().ToRpcException(), StatusCode.NotFound, "MODEL_NOT_FOUND",
            new ResourceInfo { ResourceType = "model", ResourceName = "m" }),
    };

    public static TheoryData<string> Rows => [.. Table.Keys];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task EveryKindOfCall_HandlerThrows_CallerSeesCodeReasonAndDetail(string row)
    {
        var (thrown, code, reason, detail) = Table[row];
        await using var probe = await Probe.StartAsync(_ => Task.FromException(thrown));

        foreach (var status in await CallAllKindsAsync(probe))
        {
            status.Code.ShouldBe((int)code);
            var info = status.Detail<ErrorInfo>().ShouldNotBeNull();
            info.Domain.ShouldBe("mesh");
            info.Reason.ShouldBe(reason);
            status.Message.ShouldNotBeEmpty();
            status.Details.Count.ShouldBe(detail is null ? 1 : 2);
            if (detail is not null) status.Details[1].Value.ShouldBe(detail.ToByteString());
        }
    }

    [Fact]
    public async Task Call_HandlerHasABug_CallerSeesAnIdThatTheLogKnows()
    {
        await using var probe = await Probe.StartAsync(_ => throw new InvalidOperationException("secret detail"));
        probe.Logs.Expect<InvalidOperationException>();

        foreach (var status in await CallAllKindsAsync(probe))
        {
            status.Code.ShouldBe((int)StatusCode.Internal);
            var id = status.Detail<ErrorInfo>()!.Metadata["errorId"];
            status.Message.ShouldBe($"Internal error {id}.");
            probe.Logs.Lines.ShouldContain(x => x.Message.Contains(id) && x.Exception!.Message == "secret detail");
        }
    }

    [Fact]
    public async Task Call_DeadlinePassesInTheHandler_IsDeadlineExceeded()
    {
        await using var probe = await Probe.StartAsync(context => Task.Delay(Timeout.Infinite, context.CancellationToken));

        var e = await Should.ThrowAsync<RpcException>(probe.Stage.GetStageAsync(new(), deadline: DateTime.UtcNow.AddMilliseconds(200)).ResponseAsync.DefaultTimeout());

        e.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
    }

    [Fact]
    public void ToFault_CancelledAfterTheDeadline_MeansTheDeadline() =>
        FaultStatus.ToFault(new OperationCanceledException(), deadlinePassed: true)!.Code.ShouldBe(StatusCode.DeadlineExceeded);

    [Fact]
    public void ToStatus_TrailerIsNoStatus_KeepsWhatGrpcSays()
    {
        var e = new RpcException(new Grpc.Core.Status(StatusCode.Aborted, "words"), new Metadata { { FaultStatus.Trailer, [0xff, 0xff] } });

        e.ToStatus().ShouldBe(new Google.Rpc.Status { Code = (int)StatusCode.Aborted, Message = "words" });
    }

    [Fact]
    public async Task Call_CallerLeaves_HandlerStopsAndNothingIsLoggedAsAnError()
    {
        TaskCompletionSource arrived = new(TaskCreationOptions.RunContinuationsAsynchronously), left = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var probe = await Probe.StartAsync(async context =>
        {
            using var _ = context.CancellationToken.Register(left.SetResult);
            arrived.SetResult();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        });
        using var cancel = new CancellationTokenSource();
        var call = probe.Stage.GetStageAsync(new(), cancellationToken: cancel.Token).ResponseAsync;
        await arrived.Task.DefaultTimeout();

        await cancel.CancelAsync();

        (await Should.ThrowAsync<RpcException>(call.DefaultTimeout())).StatusCode.ShouldBe(StatusCode.Cancelled);
        await left.Task.DefaultTimeout();
    }

    private static RetryInfo Retry(TimeSpan delay) => new() { RetryDelay = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(delay) };

    private static async Task<IReadOnlyList<Google.Rpc.Status>> CallAllKindsAsync(Probe probe)
    {
        var unary = await Should.ThrowAsync<RpcException>(probe.CallAsync());
        using var upscale = new ImageService.ImageServiceClient(probe.Channel).Upscale(new UpscaleRequest());
        (await upscale.ResponseStream.MoveNext().DefaultTimeout()).ShouldBeTrue();
        var streaming = await Should.ThrowAsync<RpcException>(upscale.ResponseStream.MoveNext().DefaultTimeout());
        using var encode = new TextEncoderService.TextEncoderServiceClient(probe.Channel).Encode();
        var write = encode.RequestStream.WriteAsync(new EncodeRequest { Id = 1 });
        var duplex = await Should.ThrowAsync<RpcException>(encode.ResponseStream.MoveNext().DefaultTimeout());
        await Probe.SentOrTooLateAsync(write);
        return [unary.ToStatus(), streaming.ToStatus(), duplex.ToStatus()];
    }
}
