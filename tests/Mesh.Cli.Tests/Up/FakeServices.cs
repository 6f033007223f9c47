using System.Runtime.Versioning;
using Mesh.Testing;

[assembly: UnsupportedOSPlatform("windows")]

namespace Mesh.Cli.Tests.Up;

/// <summary>Programs with the services' names that write their ids and wait for the end of their input, as services do.</summary>
internal sealed class FakeServices : IDisposable
{
    private static readonly string[] Names = ["Mesh.Gateway", "Mesh.TextEncoder", "Mesh.Generator", "Mesh.Decoder", "Mesh.Upsampler", "Mesh.OneProcess", "Mesh.Trainer"];
    private readonly TempFolder _folder = new();

    public FakeServices()
    {
        File.WriteAllText(Started, "");
        foreach (var name in Names)
            Script(_folder.File(name), $"echo \"$$ {name} $*\" >>'{Started}'; [ \"$MESH_PARENT\" = stdin ] || exit 9; cat >/dev/null");
    }

    public string Folder => _folder.Path;

    /// <summary>A line for each that started: its id, name and arguments.</summary>
    public string Started => _folder.File("started");

    /// <summary>Waits until so many have started.</summary>
    public async Task<IReadOnlyList<string>> WaitStartedAsync(int count)
    {
        using var watcher = new FileSystemWatcher(_folder.Path, "started") { NotifyFilter = NotifyFilters.Size | NotifyFilters.LastWrite };
        var changed = new SemaphoreSlim(0);
        watcher.Changed += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        while (true)
        {
            var lines = File.ReadAllLines(Started);
            if (lines.Length >= count) return lines;
            await changed.WaitAsync().DefaultTimeout();
        }
    }

    public static void Script(string path, string body)
    {
        File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public void Dispose() => _folder.Dispose();
}
