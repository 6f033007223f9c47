using System.Diagnostics;
using System.Text.Json;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify;

/// <summary>One line of the table.</summary>
/// <param name="Group">The folder.</param>
/// <param name="Case">The case's file name without ending.</param>
/// <param name="Check">What was compared and how it went.</param>
public sealed record GoldenRow(string Group, string Case, Check Check);

/// <summary>What ran and how it went.</summary>
/// <param name="Rows">All checks, in the order in which they were made.</param>
/// <param name="NotBuilt">Groups of the folder that this build cannot compute.</param>
/// <param name="Ok">Whether everything asked for holds.</param>
public sealed record GoldenReport(IReadOnlyList<GoldenRow> Rows, IReadOnlyList<string> NotBuilt, bool Ok);

/// <summary>Runs the golden cases of a folder.</summary>
public static class GoldenRunner
{
    /// <summary>The groups in <paramref name="directory"/>: its folders that hold a json file.</summary>
    public static IEnumerable<string> GroupsIn(string directory) =>
        Directory.EnumerateDirectories(directory)
            .Where(d => Directory.EnumerateFiles(d, "*.json").Any())
            .Select(d => Path.GetFileName(d)!)
            .Order(StringComparer.Ordinal);

    /// <summary>The cases of one group, by name: every json file that is not mere data to it.</summary>
    public static IEnumerable<string> CasesIn(string directory, IGoldenGroup group)
    {
        foreach (var path in Directory.EnumerateFiles(Path.Combine(directory, group.Name), "*.json").Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            if (!IsData(directory, group, name))
                yield return name;
        }
    }

    /// <summary>Runs the groups of that name, or all of the folder where <paramref name="groups"/> is null.</summary>
    /// <param name="directory">The golden folder.</param>
    /// <param name="groups">Names of groups; then those that are not built elsewhere in the folder do not matter.</param>
    /// <param name="computeType">Float32, or BFloat16 for the groups that can be computed in it.</param>
    /// <param name="onCase">Told of each case when it is done, with its seconds.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static GoldenReport Run(
        string directory, IReadOnlyCollection<string>? groups = null, ScalarType computeType = ScalarType.Float32, Action<string, string, double>? onCase = null)
    {
        if (!Directory.Exists(directory))
            throw new DirectoryNotFoundException($"there is no golden folder {directory}");
        var rows = new List<GoldenRow>();
        var present = GroupsIn(directory).ToArray();
        var wanted = groups ?? present;
        foreach (var name in wanted.Except(present, StringComparer.Ordinal))
            rows.Add(new GoldenRow(name, "", Check.Failure("group", "not in the folder")));
        var notBuilt = wanted.Intersect(present, StringComparer.Ordinal).Where(n => GoldenGroups.Find(n) is null).ToList();
        foreach (var name in notBuilt)
            rows.Add(new GoldenRow(name, "", Check.Failure("group", "not built yet")));
        foreach (var group in wanted.Select(GoldenGroups.Find).OfType<IGoldenGroup>().Where(g => present.Contains(g.Name)))
        {
            if (computeType == ScalarType.BFloat16 && !group.ComputesInBFloat16)
                continue;
            foreach (var name in CasesIn(directory, group))
            {
                var clock = Stopwatch.StartNew();
                rows.AddRange(RunCase(directory, group, name, computeType));
                onCase?.Invoke(group.Name, name, clock.Elapsed.TotalSeconds);
            }
        }

        return new GoldenReport(rows, notBuilt, rows.Count > 0 && rows.All(r => r.Check.Ok));
    }

    /// <summary>Runs one case. Whatever goes wrong is a row that fails.</summary>
    public static IReadOnlyList<GoldenRow> RunCase(string directory, IGoldenGroup group, string name, ScalarType computeType = ScalarType.Float32)
    {
        var rows = new List<GoldenRow>();
        try
        {
            using var scope = NewDisposeScope();
            using var golden = GoldenCase.Open(directory, group.Name, name, computeType);
            foreach (var check in group.Run(golden))
                rows.Add(new GoldenRow(group.Name, name, check));
            if (rows.Count == 0)
                rows.Add(new GoldenRow(group.Name, name, Check.Failure("case", "nothing was compared")));
            foreach (var check in golden.Leftovers())
                rows.Add(new GoldenRow(group.Name, name, check));
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // A case is foreign data: any fault in it, or in computing it, is that case's result and not the run's end.
            rows.Add(new GoldenRow(group.Name, name, Check.Failure("case", $"{failure.GetType().Name}: {failure.Message}")));
        }

        return rows;
    }

    private static bool IsData(string directory, IGoldenGroup group, string name)
    {
        try
        {
            using var golden = GoldenCase.Open(directory, group.Name, name);
            return group.IsData(golden);
        }
        catch (Exception failure) when (failure is FormatException or JsonException)
        {
            return false; // not a case that can be read: running it says why
        }
    }
}
