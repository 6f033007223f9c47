using System.Globalization;

namespace Mesh.FunctionalTests.Soak;

/// <summary>What a process holds, as Linux counts it.</summary>
/// <param name="MemoryKib">Resident memory that belongs to no file.</param>
/// <param name="Handles">Open files, sockets and pipes.</param>
/// <param name="Threads">Threads.</param>
internal sealed record ProcessMeasure(long MemoryKib, int Handles, int Threads)
{
    public static ProcessMeasure Of(int process)
    {
        var status = File.ReadAllLines($"/proc/{process}/status");
        return new(Number("RssAnon:"), Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Count(), (int)Number("Threads:"));

        long Number(string name) =>
            long.Parse(status.Single(x => x.StartsWith(name, StringComparison.Ordinal))[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{MemoryKib / 1024.0:0} MiB, {Handles} handles, {Threads} threads");
}
