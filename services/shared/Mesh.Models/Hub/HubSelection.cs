using System.Text.RegularExpressions;

namespace Mesh.Models.Hub;

/// <summary>Which files of a repository a model folder needs.</summary>
public static partial class HubSelection
{
    private static readonly string[] Texts = [".json", ".txt", ".yaml", ".yml"];
    private static readonly string[] Unneeded = ["safety_checker", "feature_extractor", "image_encoder"];

    /// <summary>
    /// With <paramref name="patterns"/>: the files that match one. Otherwise what this project can load: with a model_index.json its component
    /// folders and the small files beside it, without one everything; of weights those of <paramref name="variant"/> where a folder has them, else the
    /// plain ones; no pickles or other frameworks' files.
    /// </summary>
    /// <param name="files">All files of the repository.</param>
    /// <param name="variant">fp16 and the like, or null.</param>
    /// <param name="patterns">Paths in which <c>*</c> stands for any characters.</param>
    /// <exception cref="HubException">Nothing is left, a pattern matches nothing, or a folder has weights only as another variant.</exception>
    public static IReadOnlyList<HubFile> Choose(IReadOnlyList<HubFile> files, string? variant, IReadOnlyCollection<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(patterns);
        if (patterns.Count > 0)
            return ByPattern(files, patterns);
        bool isFolder = files.Any(f => f.Path == "model_index.json");
        var loadable = files.Where(f => isFolder ? IsComponentFile(f.Path) : !IsForeign(f.Path)).ToList();
        var chosen = loadable.Where(f => !IsWeight(f.Path)).ToList();
        foreach (var folder in loadable.Where(f => IsWeight(f.Path)).GroupBy(f => Folder(f.Path)))
            chosen.AddRange(Variant(folder.Key, [.. folder], variant));
        return chosen.Count > 0
            ? [.. chosen.OrderBy(f => f.Path, StringComparer.Ordinal)]
            : throw new HubException(HubFault.EntryNotFound, "the repository holds nothing that can be loaded: name files with --file");
    }

    private static List<HubFile> ByPattern(IReadOnlyList<HubFile> files, IReadOnlyCollection<string> patterns)
    {
        var chosen = new HashSet<HubFile>();
        foreach (string pattern in patterns)
        {
            var glob = new Regex("^" + Regex.Escape(pattern).Replace("\\*", ".*", StringComparison.Ordinal) + "$", RegexOptions.NonBacktracking);
            var matches = files.Where(f => glob.IsMatch(f.Path)).ToList();
            if (matches.Count == 0)
                throw new HubException(HubFault.EntryNotFound, $"no file of the repository matches {pattern}");
            chosen.UnionWith(matches);
        }
        return [.. chosen.OrderBy(f => f.Path, StringComparer.Ordinal)];
    }

    private static bool IsComponentFile(string path)
    {
        string folder = Folder(path);
        if (folder.Length == 0)
            return path.EndsWith(".json", StringComparison.Ordinal);
        return !folder.Contains('/') && !Unneeded.Contains(folder)
            && (Texts.Contains(Path.GetExtension(path)) || IsWeight(path) && WeightName().IsMatch(Path.GetFileName(path)));
    }

    private static bool IsForeign(string path) => !IsWeight(path) && !Texts.Contains(Path.GetExtension(path));

    /// <summary>Weights and the indices of their shards.</summary>
    private static bool IsWeight(string path) => path.EndsWith(".safetensors", StringComparison.Ordinal)
        || path.EndsWith(".json", StringComparison.Ordinal) && path.Contains(".safetensors.", StringComparison.Ordinal);

    private static IEnumerable<HubFile> Variant(string folder, List<HubFile> files, string? variant)
    {
        var named = files.Select(f => (File: f, Match: WeightName().Match(Path.GetFileName(f.Path)))).ToList();
        var other = named.Where(n => !n.Match.Success).Select(n => n.File);
        var byVariant = named.Where(n => n.Match.Success).ToLookup(n => n.Match.Groups["variant"].Value, n => n.File);
        if (byVariant.Count == 0)
            return other;
        string wanted = variant is not null && byVariant.Contains(variant) ? variant : "";
        if (!byVariant.Contains(wanted))
        {
            throw new HubException(HubFault.EntryNotFound, $"{(folder.Length == 0 ? "the repository" : folder)} has weights only as "
                + $"{string.Join(", ", byVariant.Select(g => g.Key))}: name one with --variant");
        }
        return other.Concat(byVariant[wanted]);
    }

    private static string Folder(string path) => path.LastIndexOf('/') is var slash and >= 0 ? path[..slash] : "";

    [GeneratedRegex(@"^(?:diffusion_pytorch_model|model)(?:\.(?<variant>[A-Za-z0-9_]+))?(?:-\d{5}-of-\d{5})?(?:\.(?<variant>[A-Za-z0-9_]+))?\.safetensors$"
        + @"|^(?:diffusion_pytorch_model|model)\.safetensors(?:\.(?<variant>(?!index\.)[A-Za-z0-9_]+))?\.index(?:\.(?<variant>[A-Za-z0-9_]+))?\.json$")]
    private static partial Regex WeightName();
}
