using System.Globalization;

namespace Mesh.Cli.Bench;

/// <summary>The most memory that this process held since <see cref="Reset"/>, as Linux counts it.</summary>
internal static class PeakMemory
{
    private const string Resets = "/proc/self/clear_refs";
    private const string Status = "/proc/self/status";

    /// <summary>Forgets the peak so far.</summary>
    /// <returns>Whether the system let it; where it did not, <see cref="Bytes"/> still tells of what came before.</returns>
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
