using System.Text;
using System.Text.Json;

namespace Mesh.Gateway.Web;

/// <summary>A stream of server-sent events (WHATWG HTML, section 9.2): each flushed as it is written.</summary>
internal sealed class ServerSentEvents(HttpResponse response)
{
    private static readonly byte[] DataField = "data: "u8.ToArray();
    private static readonly byte[] EndOfEvent = "\n\n"u8.ToArray();
    private static readonly byte[] Comment = ": \n\n"u8.ToArray();

    /// <summary>Sends the headers.</summary>
    public Task BeginAsync(CancellationToken cancel)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        // Proxies of the nginx kind would hold events back.
        response.Headers["X-Accel-Buffering"] = "no";
        return response.Body.FlushAsync(cancel);
    }

    /// <summary>Sends one event, as JSON, which has no line ends.</summary>
    public async Task WriteAsync<T>(string name, T data, CancellationToken cancel)
    {
        var body = response.Body;
        await body.WriteAsync(Encoding.ASCII.GetBytes($"event: {name}\n"), cancel).ConfigureAwait(false);
        await body.WriteAsync(DataField, cancel).ConfigureAwait(false);
        await JsonSerializer.SerializeAsync(body, data, WebJson.Options, cancel).ConfigureAwait(false);
        await body.WriteAsync(EndOfEvent, cancel).ConfigureAwait(false);
        await body.FlushAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>Sends what readers skip.</summary>
    public async Task WriteCommentAsync(CancellationToken cancel)
    {
        await response.Body.WriteAsync(Comment, cancel).ConfigureAwait(false);
        await response.Body.FlushAsync(cancel).ConfigureAwait(false);
    }
}
