using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Mesh.Testing.V1;
using RpcStatus = Google.Rpc.Status;
using Status = Grpc.Core.Status;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>The test service, as test.proto describes it.</summary>
internal sealed class TestServiceImpl(CallRecorder recorder) : TestService.TestServiceBase
{
    public override Task<TestReply> Unary(TestRequest request, ServerCallContext context) => Observe(context, async () =>
    {
        await SendHeadersAsync(request, context);
        await WaitAsync(request, context);
        Finish(request, context);
        return Reply(request, 0, request.Payload.Length);
    });

    public override Task ServerStream(TestRequest request, IServerStreamWriter<TestReply> responseStream, ServerCallContext context) =>
        Observe(context, async () =>
        {
            await SendHeadersAsync(request, context);
            for (var i = 0; i < request.Count; i++)
            {
                await WaitAsync(request, context);
                await responseStream.WriteAsync(Reply(request, i, request.Payload.Length));
            }
            Finish(request, context);
            return true;
        });

    public override Task<TestReply> ClientStream(IAsyncStreamReader<TestRequest> requestStream, ServerCallContext context) =>
        Observe(context, async () =>
        {
            var reply = new TestReply();
            var text = new StringBuilder();
            await foreach (var request in requestStream.ReadAllAsync(context.CancellationToken))
            {
                text.Append(request.Text);
                reply.Index++;
                reply.ReceivedBytes += request.Payload.Length;
                if (request.Status != 0)
                    Finish(request, context);
            }
            reply.Text = text.ToString();
            return reply;
        });

    public override Task Duplex(IAsyncStreamReader<TestRequest> requestStream, IServerStreamWriter<TestReply> responseStream, ServerCallContext context) =>
        Observe(context, async () =>
        {
            var last = new TestRequest();
            var (index, received) = (0, 0L);
            await foreach (var request in requestStream.ReadAllAsync(context.CancellationToken))
            {
                last = request;
                received += request.Payload.Length;
                if (index == 0)
                    await SendHeadersAsync(request, context);
                for (var i = 0; i < Math.Max(request.Count, 1); i++)
                {
                    await WaitAsync(request, context);
                    await responseStream.WriteAsync(Reply(request, index++, received));
                }
            }
            Finish(last, context);
            return true;
        });

    public override Task<OutcomeReply> Outcome(OutcomeRequest request, ServerCallContext context) =>
        recorder.OutcomeAsync(request.CallId).WaitAsync(context.CancellationToken);

    private static async Task<T> Observe<T>(ServerCallContext context, Func<Task<T>> handler)
    {
        var outcome = CallRecorder.Of(context) ?? new OutcomeReply();
        if (context.Deadline != DateTime.MaxValue)
            outcome.DeadlineMs = (long)Math.Ceiling((context.Deadline - DateTime.UtcNow).TotalMilliseconds);
        try
        {
            return await handler();
        }
        catch (Exception e) when (e is OperationCanceledException or IOException || context.CancellationToken.IsCancellationRequested)
        {
            // A body that breaks off is the same news as the token, and may come first.
            outcome.Cancelled = true;
            throw new RpcException(new Status(StatusCode.Cancelled, "The call is over."));
        }
    }

    private static async Task SendHeadersAsync(TestRequest request, ServerCallContext context)
    {
        if (request.EchoHeaders.Count == 0)
            return;
        var headers = new Metadata();
        Copy(context.RequestHeaders, request.EchoHeaders, headers);
        await context.WriteResponseHeadersAsync(headers);
    }

    private static Task WaitAsync(TestRequest request, ServerCallContext context)
    {
        context.CancellationToken.ThrowIfCancellationRequested();
        return request.DelayMs > 0 ? Task.Delay(request.DelayMs, context.CancellationToken) : Task.CompletedTask;
    }

    private static void Finish(TestRequest request, ServerCallContext context)
    {
        Copy(context.RequestHeaders, request.EchoTrailers, context.ResponseTrailers);
        if (request.BadFields.Count > 0)
            context.ResponseTrailers.Add("grpc-status-details-bin", Details(request).ToByteArray());
        if (request.Status != 0)
            throw new RpcException(new Status((StatusCode)request.Status, request.Detail));
    }

    private static RpcStatus Details(TestRequest request)
    {
        var bad = new BadRequest();
        foreach (var (field, description) in request.BadFields)
            bad.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = field, Description = description });
        return new RpcStatus { Code = request.Status, Message = request.Detail, Details = { Any.Pack(bad) } };
    }

    private static void Copy(Metadata from, IEnumerable<string> names, Metadata to)
    {
        foreach (var entry in names.SelectMany(from.GetAll))
            to.Add(entry);
    }

    private static TestReply Reply(TestRequest request, int index, long received) => new()
    {
        Text = request.Text,
        Payload = request.ReplyBytes > 0 ? UnsafeByteOperations.UnsafeWrap(new byte[request.ReplyBytes]) : request.Payload,
        Index = index,
        ReceivedBytes = received,
    };
}
