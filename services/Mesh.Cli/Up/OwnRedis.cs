using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Mesh.Cli.Up;

/// <summary>A Redis server of the mesh's own, in the cache role: bounded memory, evicting, nothing on disk, and a password that only this mesh knows.</summary>
internal sealed class OwnRedis
{
    // Redis heeds no standard input, so a helper waits for its end instead. '$$' is the shell's id, which exec hands on to Redis.
    private const string Shell = """
        exec 3<&0 </dev/null
        (cat <&3 >/dev/null; kill "$$" 2>/dev/null) &
        exec "$@" 3<&-
        """;

    private const int MemoryMebibytes = 256;

    private OwnRedis(ChildSpec spec, string connection) => (Spec, Connection) = (spec, connection);

    public ChildSpec Spec { get; }

    /// <summary>For those who use it; holds the password.</summary>
    public string Connection { get; }

    /// <summary>Plans a server in the run folder, on a port that is free now.</summary>
    /// <returns>Null where no redis-server is on the PATH.</returns>
    public static OwnRedis? Plan(RunFolder folder)
    {
        if (FindOnPath("redis-server") is not { } program) return null;
        var port = FreePort();
        var password = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var file = Path.Combine(folder.Redis, "redis.conf");
        // Created before it is written, for its owner alone: other users can see the commands of processes, and read files, but not this one.
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var writer = new StreamWriter(file, options))
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"""
                port {port}
                bind 127.0.0.1
                requirepass {password}
                dir "{folder.Redis}"
                save ""
                appendonly no
                maxmemory {MemoryMebibytes}mb
                maxmemory-policy allkeys-lru
                daemonize no

                """));
        }
        var spec = new ChildSpec("redis", ["/bin/sh", "-c", Shell, "sh", program, file], folder.StartLog("redis")) { IsOptional = true, StopTurn = 2 };
        return new OwnRedis(spec, string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port},password={password}"));
    }

    private static string? FindOnPath(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(x => Path.Combine(x, name)).FirstOrDefault(File.Exists);

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }
}
