using System.Net;
using System.Net.Sockets;

namespace Mesh.Testing;

/// <summary>A Redis server of the test's own, without persistence unless asked for, on a free port of the loopback.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly bool _appendOnly;
    private ChildProgram? _program;

    private RedisServer(bool appendOnly, int port) => (_appendOnly, Port) = (appendOnly, port);

    public int Port { get; }

    /// <summary>The connection string of clients.</summary>
    public string Connection => $"127.0.0.1:{Port}";

    /// <summary>Starts a server and waits until it takes connections.</summary>
    /// <param name="appendOnly">Whether it keeps what it holds through a restart.</param>
    public static async Task<RedisServer> StartAsync(bool appendOnly = false)
    {
        const int tries = 5;
        for (var i = 1; ; i++)
        {
            var server = new RedisServer(appendOnly, FreePort());
            try
            {
                await server.StartAgainAsync();
                return server;
            }
            catch (InvalidOperationException) when (i < tries)
            {
                // Another program took the port in between.
                await server.DisposeAsync();
            }
        }
    }

    /// <summary>Starts it again on the same port, after <see cref="StopAsync"/>.</summary>
    public async Task StartAgainAsync()
    {
        _program = ChildProgram.Start("redis-server",
        [
            "--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", _appendOnly ? "yes" : "no", "--appendfsync", "always", "--dir", _folder.Path, "--daemonize", "no",
        ]);
        while (!(await _program.ReadLineAsync()).Contains("Ready to accept connections", StringComparison.Ordinal))
        {
        }
    }

    /// <summary>Kills it, as a crash would.</summary>
    public async Task StopAsync()
    {
        if (_program is not null) await _program.DisposeAsync();
        _program = null;
    }

    /// <summary>Makes it hang: connections stay open and nothing answers.</summary>
    public Task HangAsync() => SignalAsync("-STOP");

    /// <summary>Ends <see cref="HangAsync"/>.</summary>
    public Task GoOnAsync() => SignalAsync("-CONT");

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Dispose();
    }

    private async Task SignalAsync(string signal) => await ChildProgram.RunAsync("kill", [signal, $"{_program!.Id}"]);

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }
}
