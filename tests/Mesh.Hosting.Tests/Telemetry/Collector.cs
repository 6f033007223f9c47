using System.Collections.Concurrent;
using System.Net;
using System.Threading.Channels;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Mesh.Hosting.Tests.Telemetry;

/// <summary>What an OpenTelemetry collector is to its senders: it takes all they send, by path.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, Channel<byte[]>> _received = new(StringComparer.Ordinal);

    private Collector(bool grpc)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(x => x.Listen(IPAddress.Loopback, 0, y => y.Protocols = grpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        _app = builder.Build();
        _app.MapPost("/{**path}", async (HttpContext http) =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            Of(http.Request.Path).Writer.TryWrite(body.ToArray());
            if (!grpc) return;
            http.Response.ContentType = "application/grpc";
            await http.Response.Body.WriteAsync(new byte[5]);
            http.Response.AppendTrailer("grpc-status", "0");
        });
    }

    public string Address => _app.Urls.Single();

    public static async Task<Collector> StartAsync(bool grpc)
    {
        var collector = new Collector(grpc);
        await collector._app.StartAsync().DefaultTimeout();
        return collector;
    }

    /// <summary>The next body sent to a path that holds the bytes.</summary>
    public async Task<byte[]> NextAsync(string path, byte[] part)
    {
        while (true)
        {
            var body = await Of(path).Reader.ReadAsync().DefaultTimeout();
            if (body.AsSpan().IndexOf(part) >= 0) return body;
        }
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync().DefaultTimeout();

    private Channel<byte[]> Of(string path) => _received.GetOrAdd(path, _ => Channel.CreateUnbounded<byte[]>());
}
