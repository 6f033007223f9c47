using System.Diagnostics;
using System.Globalization;
using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>How a call ends: by its handler, by an exception, or at its deadline, whichever is first.</summary>
internal sealed partial class ServerCall
{
    private Activity? _hostActivity;

    /// <summary>Ends a call whose handler returned.</summary>
    internal Task EndAsync()
    {
        if (!TryFinish())
            return DeadlineAnswered;

        SendTrailers();
        return Task.CompletedTask;
    }

    /// <summary>Ends a call whose handler, or whose message, failed.</summary>
    internal Task FailAsync(Exception exception)
    {
        var ended = _finish == Finish.Ended;
        var answered = !ended && !TryFinish();
        if (exception is RpcException rpc)
            TakeStatus(rpc, answered);
        else
            TakeUnexpected(exception, answered);

        if (answered)
            return DeadlineAnswered;

        // Trailers that failed to be written once would fail again; the status must still arrive.
        if (ended)
            _responseTrailers?.Clear();

        SendTrailers();
        return Task.CompletedTask;
    }

    private void TakeStatus(RpcException exception, bool answered)
    {
        ServerLog.RpcConnectionError(_logger, exception.StatusCode, exception.Status.Detail, exception);
        if (answered)
            return;

        foreach (var entry in exception.Trailers)
            ResponseTrailersCore.Add(entry);

        _status = exception.Status;
    }

    private void TakeUnexpected(Exception exception, bool answered)
    {
        var canceled = exception is OperationCanceledException or IOException && (answered || Http.RequestAborted.IsCancellationRequested);
        if (canceled)
            ServerLog.ServiceMethodCanceled(_logger, MethodCore, exception);
        else
            ServerLog.ErrorExecutingServiceMethod(_logger, MethodCore, exception);

        if (!answered)
            _status = new Status(StatusCode.Unknown, Describe("Exception was thrown by handler.", exception), exception);
    }

    private string Describe(string message, Exception exception)
    {
        if (!Options.EnableDetailedErrors)
            return message;

        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
            message += $" {cause.GetType().Name}: {cause.Message}";

        return message;
    }

    private void SendTrailers()
    {
        var destination = GrpcProtocol.TrailersOf(Http.Response);
        if (_responseTrailers is { Count: > 0 } trailers)
        {
            foreach (var entry in trailers)
                RequestMetadata.Append(destination, entry);
        }

        GrpcProtocol.SetStatus(destination, _status);
        _hostActivity?.SetTag("grpc.status_code", ((int)_status.StatusCode).ToString(CultureInfo.InvariantCulture));
    }
}
