using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mesh.Models.Hub;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Mesh.Models.Tests.Hub;

/// <summary>What the store of large files does with the next request.</summary>
public enum Trouble
{
    None,
    DropHalfWay,
    EndHalfWay,
    IgnoreRange,
    OtherRange,
    OtherTotal,
    Longer,
    Shorter,
    OtherBytes,
    Expired,
    Unavailable,
    TooMany,
    RequestTimeout,
    RangeNotSatisfiable,
    RedirectOnce,
    Silent,
}

/// <summary>One request that came in.</summary>
internal sealed record Seen(bool IsStore, string Method, string Path, string? Range, string? Authorization);

/// <summary>A hub on a local port with its store of large files on another, which misbehave as they are told.</summary>
internal sealed class FakeHub : IAsyncDisposable
{
    public const string Id = "org/tiny";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly WebApplication _app;
    private readonly List<ListenOptions> _listeners;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _lock = new();

    private FakeHub(WebApplication app, List<ListenOptions> listeners)
    {
        _app = app;
        _listeners = listeners;
    }

    public Uri Endpoint => new($"http://127.0.0.1:{_listeners[0].IPEndPoint!.Port}");

    public Uri Store => new($"http://127.0.0.1:{_listeners[1].IPEndPoint!.Port}");

    /// <summary>Contents by path; those of 1,000 bytes and more are large files.</summary>
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>What the store does, request by request; nothing special when it is empty.</summary>
    public Queue<Trouble> StoreTroubles { get; } = [];

    /// <summary>Status codes that the hub itself answers first, request by request.</summary>
    public Queue<int> HubTroubles { get; } = [];

    public List<Seen> Requests { get; } = [];

    /// <summary>Refuse everything with this status and code.</summary>
    public (int Status, string? Code, string? Message)? Refusal { get; set; }

    /// <summary>Entries on a page of the list.</summary>
    public int PageSize { get; set; } = 1000;

    /// <summary>Where pages of the list go on; null: on the hub.</summary>
    public Uri? NextPageHost { get; set; }

    /// <summary>The repository's old name, which is redirected by a path.</summary>
    public string? OldId { get; set; }

    /// <summary>Sizes and hashes announced instead of the true ones.</summary>
    public Dictionary<string, (long? Size, string? Hash)> Announced { get; } = new(StringComparer.Ordinal);

    public string AnnouncedCommit { get; set; } = Commit;

    /// <summary>Entries of the list as they stand, instead of <see cref="Files"/>.</summary>
    public string? RawTree { get; set; }

    public static async Task<FakeHub> StartAsync()
    {
        var listeners = new List<ListenOptions>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listeners.Add);
            kestrel.Listen(IPAddress.Loopback, 0, listeners.Add);
        });
        var app = builder.Build();
        var hub = new FakeHub(app, listeners);
        app.Run(hub.AnswerAsync);
        await app.StartAsync().DefaultTimeout();
        return hub;
    }

    public HubOptions Options(TempFolder folder) => new()
    {
        Endpoint = Endpoint,
        CacheFolder = folder.File("hub"),
        FirstPause = TimeSpan.Zero,
        LongestPause = TimeSpan.Zero,
        Patience = TimeSpan.FromSeconds(20),
        Token = "secret",
    };

    public static byte[] Random(int length, int seed)
    {
        byte[] content = new byte[length];
        new Random(seed).NextBytes(content);
        return content;
    }

    /// <summary>SHA-256 of a large file, git's blob name of a small one.</summary>
    public static string Hash(byte[] content)
    {
        bool isLarge = content.Length >= 1000;
        using var hash = IncrementalHash.CreateHash(isLarge ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (!isLarge)
            hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")));
        hash.AppendData(content);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().DefaultTimeout();
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(soon.Token).DefaultTimeout();
        await _app.DisposeAsync().DefaultTimeout();
        _closing.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        bool isStore = context.Connection.LocalPort == Store.Port;
        string path = context.Request.Path.Value!.Replace("%2F", "/", StringComparison.Ordinal);
        int? trouble = null;
        lock (_lock)
        {
            Requests.Add(new Seen(isStore, context.Request.Method, path, context.Request.Headers.Range, context.Request.Headers.Authorization));
            if (!isStore && HubTroubles.Count > 0)
                trouble = HubTroubles.Dequeue();
        }
        if (isStore)
            await StoreAsync(context, path["/blob/".Length..]);
        else if (trouble is { } status && status != 200)
            context.Response.StatusCode = status;
        else if (Refusal is { } refusal)
            Refuse(context, refusal);
        else
            await HubAsync(context, path);
    }

    private static void Refuse(HttpContext context, (int Status, string? Code, string? Message) refusal)
    {
        context.Response.StatusCode = refusal.Status;
        if (refusal.Code is not null)
            context.Response.Headers["X-Error-Code"] = refusal.Code;
        if (refusal.Message is not null)
            context.Response.Headers["X-Error-Message"] = refusal.Message;
    }

    private async Task HubAsync(HttpContext context, string path)
    {
        if (OldId is not null && path.Contains(OldId, StringComparison.Ordinal))
        {
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = path.Replace(OldId, Id, StringComparison.Ordinal) + context.Request.QueryString;
        }
        else if (path == $"/api/models/{Id}/revision/main" || path == $"/api/models/{Id}/revision/refs/pr/1")
        {
            await context.Response.WriteAsJsonAsync(new { id = Id, sha = Commit });
        }
        else if (path == $"/api/models/{Id}/tree/{Commit}")
        {
            await TreeAsync(context);
        }
        else if (path.StartsWith($"/{Id}/resolve/{Commit}/", StringComparison.Ordinal))
        {
            await ResolveAsync(context, path[$"/{Id}/resolve/{Commit}/".Length..]);
        }
        else
        {
            Refuse(context, (404, "RevisionNotFound", null));
        }
    }

    private async Task TreeAsync(HttpContext context)
    {
        if (RawTree is not null)
        {
            await context.Response.WriteAsync(RawTree);
            return;
        }
        int from = int.Parse(context.Request.Query["cursor"].FirstOrDefault() ?? "0", CultureInfo.InvariantCulture);
        var page = Files.OrderBy(f => f.Key, StringComparer.Ordinal).Skip(from).Take(PageSize).ToList();
        if (from + PageSize < Files.Count)
        {
            string next = new Uri(NextPageHost ?? Endpoint, $"/api/models/{Id}/tree/{Commit}?recursive=true&cursor={from + PageSize}").AbsoluteUri;
            context.Response.Headers.Link = $"<{next}>; rel=\"next\"";
        }
        var entries = new List<object> { new { type = "directory", path = $"folder{from}", oid = Hash([1]), size = 0 } };
        foreach (var (path, content) in page)
        {
            entries.Add(content.Length >= 1000
                ? new { type = "file", path, size = content.Length, oid = Hash([2]), lfs = new { oid = Hash(content), size = content.Length, pointerSize = 130 } }
                : (object)new { type = "file", path, size = content.Length, oid = Hash(content) });
        }
        await context.Response.WriteAsync(JsonSerializer.Serialize(entries));
    }

    private async Task ResolveAsync(HttpContext context, string path)
    {
        if (!Files.TryGetValue(path, out byte[]? content))
        {
            Refuse(context, (404, "EntryNotFound", null));
            return;
        }
        var (size, hash) = Announced.GetValueOrDefault(path);
        context.Response.Headers["X-Repo-Commit"] = AnnouncedCommit;
        if (content.Length >= 1000)
        {
            context.Response.StatusCode = 302;
            context.Response.Headers["X-Linked-Etag"] = $"\"{hash ?? Hash(content)}\"";
            context.Response.Headers["X-Linked-Size"] = (size ?? content.Length).ToString(CultureInfo.InvariantCulture);
            context.Response.Headers.Location = new Uri(Store, "/blob/" + path).AbsoluteUri + "?signature=x";
            return;
        }
        context.Response.Headers.ETag = $"W/\"{hash ?? Hash(content)}\"";
        context.Response.ContentLength = size ?? content.Length;
        if (HttpMethods.IsGet(context.Request.Method))
            await context.Response.Body.WriteAsync(content);
    }

    private async Task StoreAsync(HttpContext context, string path)
    {
        Trouble trouble;
        lock (_lock)
            trouble = StoreTroubles.TryDequeue(out var next) ? next : Trouble.None;
        byte[] content = Files[path];
        int from = 0;
        string? range = context.Request.Headers.Range;
        if (range is not null && trouble != Trouble.IgnoreRange)
        {
            from = int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture);
            int said = trouble == Trouble.OtherRange ? from + 1 : from, total = trouble == Trouble.OtherTotal ? content.Length + 5 : content.Length;
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {said}-{total - 1}/{total}";
        }
        await SendAsync(context, trouble, content[from..]);
    }

    private async Task SendAsync(HttpContext context, Trouble trouble, byte[] rest)
    {
        int? status = trouble switch
        {
            Trouble.Expired => 403,
            Trouble.Unavailable => 503,
            Trouble.TooMany => 429,
            Trouble.RequestTimeout => 408,
            Trouble.RangeNotSatisfiable => 416,
            Trouble.RedirectOnce => 302,
            _ => null,
        };
        if (status is not null)
        {
            context.Response.StatusCode = status.Value;
            context.Response.Headers.RetryAfter = status == 429 ? "0" : default;
            context.Response.Headers.Location = status == 302 ? context.Request.Path.Value : default;
            return;
        }
        byte[] body = trouble switch
        {
            Trouble.Longer => [.. rest, 1, 2, 3],
            Trouble.Shorter => rest[..^3],
            Trouble.OtherBytes => [.. rest[..^1], (byte)(rest[^1] ^ 1)],
            _ => rest,
        };
        if (trouble != Trouble.EndHalfWay)
            context.Response.ContentLength = body.Length;
        if (trouble is Trouble.DropHalfWay or Trouble.EndHalfWay or Trouble.Silent)
        {
            await context.Response.Body.WriteAsync(body.AsMemory(0, body.Length / 2));
            await context.Response.Body.FlushAsync();
            if (trouble == Trouble.Silent)
                await Task.Delay(Timeout.Infinite, CancellationTokenSource.CreateLinkedTokenSource(_closing.Token, context.RequestAborted).Token).ContinueWith(_ => { }, TaskScheduler.Default);
            if (trouble != Trouble.EndHalfWay)
                context.Abort();
            return;
        }
        await context.Response.Body.WriteAsync(body);
    }
}
