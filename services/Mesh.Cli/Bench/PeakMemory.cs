using System.Globalization;

namespace Mesh.Cli.Bench;

/// <summary>The most memory that this process held since <see cref="Reset"/>, as Linux counts it.</summary>
internal static class PeakMemory
{
    private const string Resets = "/proc/self/clear_refs";
    private const string Status = "/proc/self/status";

    /// <summary>Forgets the peak so far; where the system does not let it, the peak goes on from before.</summary>
    /// <returns>Whether it was forgotten.</returns>
    public static bool Reset()
    {
        try
        {
            File.WriteAllText(Resets, "5");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Bytes, or null where the system does not tell.</summary>
    public static long? Bytes() => File.Exists(Status) && File.ReadLines(Status).FirstOrDefault(x => x.StartsWith("VmHWM:", StringComparison.Ordinal)) is { } line
        ? 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
        : null;
}
