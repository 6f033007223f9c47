using System.Diagnostics;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Mesh.Hosting.Health;
using Mesh.Hosting.Telemetry;

namespace Mesh.Hosting.Faults;

/// <summary>Around every call: counts and times it, refuses it while the service drains, and makes a status of what it throws.</summary>
internal sealed class CallInterceptor(FaultReporter faults, CallMetrics metrics, Drain drain, TimeProvider time) : Interceptor
{
    // Health and reflection answer to the end.
    private const string InfrastructurePrefix = "/grpc.";

    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(20);

    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(request, context));

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(requestStream, context));

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => Plain(continuation(request, responseStream, context)));

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => Plain(continuation(requestStream, responseStream, context)));

    private static async Task<bool> Plain(Task task)
    {
        await task.ConfigureAwait(false);
        return true;
    }

    private async Task<T> RunAsync<T>(ServerCallContext context, Func<Task<T>> handler)
    {
        var infrastructure = context.Method.StartsWith(InfrastructurePrefix, StringComparison.Ordinal);
        var started = time.GetTimestamp();
        var code = StatusCode.OK;
        if (!infrastructure) metrics.Begin(context.Method);
        Activity.Current?.SetTag("rpc.system", "grpc");
        try
        {
            if (drain.IsDraining && !infrastructure) throw FaultStatus.Draining();
            var result = await handler().ConfigureAwait(false);
            code = context.Status.StatusCode;
            return result;
        }
        catch (Exception e) when (infrastructure && Named(e, context) is OperationCanceledException)
        {
            // Who watches a service's health leaves without a word; the library would log that as an error.
            code = StatusCode.Cancelled;
            throw new RpcException(new Status(code, "The caller has left."));
        }
        catch (Exception e) when (!infrastructure)
        {
            var fault = faults.Report(Named(e, context), IsLate(context), context.Method);
            code = fault.Code;
            throw fault.ToStatus().ToRpcException();
        }
        finally
        {
            if (!infrastructure) metrics.End(context.Method, code, time.GetElapsedTime(started));
            Activity.Current?.SetTag("rpc.grpc.status_code", (int)code);
        }
    }

    /// <summary>What reading and writing throw once the call is over says only that. A deadline ends a call before its token tells.</summary>
    private Exception Named(Exception exception, ServerCallContext context) =>
        exception is IOException or InvalidOperationException && (context.CancellationToken.IsCancellationRequested || IsLate(context))
            ? new OperationCanceledException(exception.Message, exception, context.CancellationToken)
            : exception;

    /// <summary>Timers run a little early: a call that was cancelled just before its deadline was cancelled by it.</summary>
    private bool IsLate(ServerCallContext context) => context.Deadline <= time.GetUtcNow().UtcDateTime + Tolerance;
}
