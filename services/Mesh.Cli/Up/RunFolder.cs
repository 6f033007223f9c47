using System.Globalization;
using System.Text;

namespace Mesh.Cli.Up;

/// <summary>
/// Where a mesh of this machine lives while it runs: its lock, logs, sockets and Redis. Only its owner can enter, for whoever reaches a socket reaches a stage.
/// </summary>
internal sealed class RunFolder : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // sockaddr_un holds 108 bytes, the last of them 0; a name in the folder takes up to 24.
    private const int LongestSocketFolder = 107 - 24;

    private readonly FileStream _lock;

    private RunFolder(string path, FileStream held)
    {
        (Path, _lock) = (path, held);
        Logs = Make("logs");
        Redis = Make("redis");
        Sockets = Encoding.UTF8.GetByteCount(path) <= LongestSocketFolder - "/sockets".Length ? Make("sockets") : Directory.CreateTempSubdirectory("mesh-").FullName;
    }

    /// <summary>The folder, a full path.</summary>
    public string Path { get; }

    /// <summary>A file a process.</summary>
    public string Logs { get; }

    /// <summary>What Redis may write.</summary>
    public string Redis { get; }

    /// <summary>Short enough for sockets: elsewhere where the run folder lies too deep.</summary>
    public string Sockets { get; }

    private string Owner => System.IO.Path.Combine(Path, "pid");

    /// <summary>Takes the folder; what an earlier mesh left in it makes room.</summary>
    /// <exception cref="IOException">A mesh runs there already, or the folder cannot be made.</exception>
    public static RunFolder Take(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        MakeOwn(full);
        var file = System.IO.Path.Combine(full, "lock");
        FileStream held;
        try
        {
            held = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(file))
        {
            var owner = System.IO.Path.Combine(full, "pid");
            var who = File.Exists(owner) ? $" (process {File.ReadAllText(owner).Trim()})" : "";
            throw new IOException($"a mesh runs already in {full}{who}: stop that one, or give this one another folder with --run and other ports");
        }
        var folder = new RunFolder(full, held);
        File.WriteAllText(folder.Owner, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        foreach (var stale in Directory.EnumerateFiles(folder.Sockets)) File.Delete(stale);
        return folder;
    }

    /// <summary>The log file of a process; an earlier one of that name is kept beside it.</summary>
    public string StartLog(string name)
    {
        var log = System.IO.Path.Combine(Logs, name + ".log");
        if (File.Exists(log)) File.Move(log, System.IO.Path.Combine(Logs, name + ".previous.log"), overwrite: true);
        return log;
    }

    /// <summary>Where a process listens.</summary>
    public string Socket(string name) => System.IO.Path.Combine(Sockets, name + ".sock");

    /// <summary>Lets the folder go; logs stay.</summary>
    public void Dispose()
    {
        foreach (var left in Directory.EnumerateFiles(Sockets)) File.Delete(left);
        if (!Sockets.StartsWith(Path, StringComparison.Ordinal)) Directory.Delete(Sockets);
        File.Delete(Owner);
        _lock.Dispose();
    }

    private string Make(string name)
    {
        var path = System.IO.Path.Combine(Path, name);
        MakeOwn(path);
        return path;
    }

    private static void MakeOwn(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, OwnerOnly);
    }
}
