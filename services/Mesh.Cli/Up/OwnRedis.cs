using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Mesh.Cli.Up;

/// <summary>
/// A Redis server of the mesh's own, with a password that only this mesh knows: in the cache role (bounded memory, evicting, nothing on disk) or in the
/// queue role (nothing evicted, everything on disk).
/// </summary>
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

    /// <summary>Plans a cache in the run folder, on a port that is free now.</summary>
    /// <returns>Null where no redis-server is on the PATH.</returns>
    public static OwnRedis? Plan(RunFolder folder) => Plan(folder, "redis", folder.Redis, isOptional: true, $"""
        appendonly no
        maxmemory {MemoryMebibytes}mb
        maxmemory-policy allkeys-lru
        """);

    /// <summary>Plans a queue that keeps what it holds, on a port that is free now.</summary>
    /// <param name="folder">Of the mesh.</param>
    /// <param name="data">Where it keeps it.</param>
    /// <returns>Null where no redis-server is on the PATH.</returns>
    public static OwnRedis? PlanQueue(RunFolder folder, string data) => Plan(folder, "queue", data, isOptional: false, """
        appendonly yes
        appendfsync everysec
        maxmemory-policy noeviction
        """);

    private static OwnRedis? Plan(RunFolder folder, string name, string data, bool isOptional, string role)
    {
        if (FindOnPath("redis-server") is not { } program) return null;
        var port = FreePort();
        var password = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var file = Path.Combine(folder.Redis, name + ".conf");
        // Created before it is written, for its owner alone: other users can see the commands of processes, and read files, but not this one.
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var writer = new StreamWriter(file, options))
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"""
                port {port}
                bind 127.0.0.1
                requirepass {password}
                dir "{data}"
                save ""
                daemonize no
                {role}

                """));
        }
        var spec = new ChildSpec(name, ["/bin/sh", "-c", Shell, "sh", program, file], folder.StartLog(name)) { IsOptional = isOptional, StopTurn = 2 };
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
