using Microsoft.AspNetCore.Http;

namespace Mesh.Hosting.Health;

/// <summary>
/// Requests of either kind from their arrival until their answer is written, so that a service that goes down can wait for them. Health
/// and reflection do not count: their callers stay for as long as they like.
/// </summary>
internal sealed class RunningCalls(Drain drain)
{
    private const string InfrastructurePrefix = "/grpc.";
    private const string GrpcContent = "application/grpc";
    private const string RetryAfterSeconds = "1";
    private const string JsonContent = "application/json";

    // In the form of the HTTP API's other errors.
    private const string Refusal = """{"error":{"message":"The service is shutting down and takes no new work.","type":"server_error","param":null,"code":"draining"}}""";

    private static readonly string[] Watching = ["/healthz", "/readyz", "/metrics"];

    private int _count;
    private TaskCompletionSource? _none;

    /// <summary>How many run now.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Around every request: counts it, and turns it away where the service drains and no interceptor will.</summary>
    public Task InvokeAsync(HttpContext http, RequestDelegate next)
    {
        var path = http.Request.Path.Value ?? "";
        if (path.StartsWith(InfrastructurePrefix, StringComparison.Ordinal)) return next(http);
        Interlocked.Increment(ref _count);
        http.Response.OnCompleted(EndAsync);
        var isGrpc = http.Request.ContentType?.StartsWith(GrpcContent, StringComparison.OrdinalIgnoreCase) == true;
        if (!drain.IsDraining || isGrpc || Watching.Contains(path)) return next(http);
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.RetryAfter = RetryAfterSeconds;
        http.Response.ContentType = JsonContent;
        return http.Response.WriteAsync(Refusal, http.RequestAborted);
    }

    /// <summary>Waits until none runs; new ones must be refused already.</summary>
    /// <returns>How many still ran when the token was cancelled.</returns>
    public async Task<int> WaitForNoneAsync(CancellationToken cut)
    {
        var none = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _none, none);
        if (Count > 0) await none.Task.WaitAsync(cut).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Count;
    }

    private Task EndAsync()
    {
        if (Interlocked.Decrement(ref _count) == 0) Volatile.Read(ref _none)?.TrySetResult();
        return Task.CompletedTask;
    }
}
