using System.Globalization;
using Mesh.Hosting.Configuration;

namespace Mesh.Hosting.Devices;

/// <summary>
/// A lock on a file that the system lifts when the process ends, however it ends. Holders that share it keep out one that does not,
/// and the other way round. It binds the processes that see the same folder: containers do not, and get one device each.
/// </summary>
internal sealed class DeviceLock : IDisposable
{
    private const UnixFileMode ForAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
    private const UnixFileMode FolderForAll = ForAll | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
    private readonly FileStream _file;

    private DeviceLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or tells who has it.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="name">The device, fit for a file's name.</param>
    /// <param name="shared">Whether others that share it too may have it at once.</param>
    /// <param name="owner">Who asks.</param>
    /// <param name="holder">Who has it now.</param>
    /// <exception cref="ConfigurationException">The folder cannot be written.</exception>
    public static DeviceLock? TryTake(string folder, string name, bool shared, string owner, out string holder)
    {
        var path = Path.Combine(folder, name + ".lock");
        var ownerPath = Path.Combine(folder, name + ".owner");
        try
        {
            if (!Directory.Exists(folder)) Open(Directory.CreateDirectory(folder).FullName, FolderForAll);
            if (!File.Exists(path)) CreateEmpty(path);
            if (OpenLocked(path, shared) is not { } file)
            {
                holder = File.Exists(ownerPath) ? File.ReadAllText(ownerPath) : "another service";
                return null;
            }
            holder = string.Create(CultureInfo.InvariantCulture, $"{owner} (process {Environment.ProcessId})");
            File.Delete(ownerPath);
            File.WriteAllText(ownerPath, holder);
            return new DeviceLock(file);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new ConfigurationException($"Mesh:Device:LockFolder: {e.Message}");
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Null where another has the lock.</summary>
    private static FileStream? OpenLocked(string path, bool shared)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, shared ? FileShare.Read : FileShare.None);
        }
        catch (IOException e) when (e is not FileNotFoundException and not DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static void CreateEmpty(string path)
    {
        // Two that come at once both find the file there afterwards.
        using (new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite)) { }
        Open(path, ForAll);
    }

    private static void Open(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, mode);
    }
}
