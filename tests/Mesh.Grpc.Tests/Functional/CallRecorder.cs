using System.Collections.Concurrent;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>
/// Middleware that keeps how each call with an `x-call-id` ended, and counts the bytes of bodies whose request is compressed.
/// </summary>
internal sealed class CallRecorder : IMiddleware
{
    private const string CallId = "x-call-id";

    private readonly ConcurrentDictionary<string, TaskCompletionSource<OutcomeReply>> _calls = new();

    /// <summary>How the call ended, once it has.</summary>
    public Task<OutcomeReply> OutcomeAsync(string callId) => Entry(callId).Task;

    /// <summary>The record of a call under way, which its handler fills in; null for a call without an id.</summary>
    public static OutcomeReply? Of(ServerCallContext context) => context.GetHttpContext().Items[CallId] as OutcomeReply;

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Headers[CallId] is not [{ } id])
        {
            await next(context);
            return;
        }
        var outcome = new OutcomeReply { RequestEncoding = context.Request.Headers["grpc-encoding"].ToString() };
        context.Items[CallId] = outcome;
        try
        {
            if (outcome.RequestEncoding is "" or "identity")
                await next(context);
            else
                await CountAsync(context, next, outcome);
        }
        finally
        {
            Entry(id).TrySetResult(outcome);
        }
    }

    private static async Task CountAsync(HttpContext context, RequestDelegate next, OutcomeReply outcome)
    {
        var request = new CountingStream(context.Request.Body);
        var response = new CountingStream(context.Response.Body);
        context.Request.Body = request;
        var body = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        context.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(response, body));
        await next(context);
        await context.Response.BodyWriter.FlushAsync();
        outcome.RequestWireBytes = request.BytesRead;
        outcome.ResponseWireBytes = response.BytesWritten;
    }

    private TaskCompletionSource<OutcomeReply> Entry(string callId) =>
        _calls.GetOrAdd(callId, _ => new TaskCompletionSource<OutcomeReply>(TaskCreationOptions.RunContinuationsAsynchronously));
}
