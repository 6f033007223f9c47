using System.Diagnostics;

namespace Mesh.Hosting.Telemetry;

/// <summary>
/// The trace of one piece of work inside a stream that carries those of many. Calls need none of this: their trace travels in the
/// <c>traceparent</c> header by itself.
/// </summary>
public static class TraceContext
{
    /// <summary>The current span as W3C's traceparent; empty where there is none.</summary>
    public static string Current => Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } id } ? id : "";

    /// <summary>Starts a span under the one that a piece of work came with; under the current one where that is empty or no traceparent.</summary>
    /// <param name="source">One a project, named <c>Mesh.*</c>.</param>
    /// <param name="name">What is done, such as <c>encode</c>.</param>
    /// <param name="traceparent">What <see cref="Current"/> was for the sender.</param>
    /// <param name="kind">Which side of the call this is.</param>
    /// <returns>The span, to be disposed when the work has ended; null where nobody listens.</returns>
    public static Activity? Start(ActivitySource source, string name, string traceparent, ActivityKind kind = ActivityKind.Consumer)
    {
        ArgumentNullException.ThrowIfNull(source);
        return ActivityContext.TryParse(traceparent, null, isRemote: true, out var parent)
            ? source.StartActivity(name, kind, parent)
            : source.StartActivity(name, kind);
    }
}
