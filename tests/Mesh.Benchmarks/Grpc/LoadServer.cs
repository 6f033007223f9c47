using System.Net;
using System.Text.Json;
using Mesh.Hosting.Listening;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Benchmarks.Grpc;

/// <summary>Our server as a process of its own: writes its port, ends when its standard input closes.</summary>
internal static class LoadServer
{
    public static async Task<int> RunAsync(string[] args)
    {
        await using var app = await StartAsync(options => Console.WriteLine(JsonSerializer.Serialize(new { plain = options.IPEndPoint!.Port })));
        await Console.In.ReadToEndAsync();
        return 0;
    }

    /// <summary>Starts the server on a free loopback port.</summary>
    /// <param name="started">Is told where it listens.</param>
    public static async Task<WebApplication> StartAsync(Action<ListenOptions> started)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc(options => options.MaxReceiveMessageSize = null);
        ListenOptions? listening = null;
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, LargeBlocks>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // A message of megabytes need not wait for its sender to hear that there is room.
            kestrel.Limits.Http2.InitialStreamWindowSize = 8 * 1024 * 1024;
            kestrel.Limits.Http2.InitialConnectionWindowSize = 16 * 1024 * 1024;
            kestrel.Listen(IPAddress.Loopback, 0, options =>
            {
                options.Protocols = HttpProtocols.Http2;
                listening = options;
            });
        });
        var app = builder.Build();
        app.MapGrpcService<LoadService>();
        await app.StartAsync();
        started(listening!);
        return app;
    }
}
