using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Mesh.Testing;

/// <summary>A part of a YAML file: a mapping, a list or a text; every look-up of what is not there gives an empty part.</summary>
public sealed class YamlPart(object? value)
{
    /// <summary>The part under a key.</summary>
    public YamlPart this[string key] => new((value as IDictionary<object, object>)?.TryGetValue(key, out var part) == true ? part : null);

    /// <summary>Whether there is nothing.</summary>
    public bool IsEmpty => value is null;

    /// <summary>A scalar's text; null where it is none.</summary>
    public string? Text => value as string;

    /// <summary>The elements of a list.</summary>
    public IReadOnlyList<YamlPart> Items => [.. (value as IEnumerable<object> ?? []).Select(x => new YamlPart(x))];

    /// <summary>The keys of a mapping, with what is under them.</summary>
    public IReadOnlyDictionary<string, YamlPart> Entries =>
        (value as IDictionary<object, object> ?? new Dictionary<object, object>()).ToDictionary(x => (string)x.Key, x => new YamlPart(x.Value));
}

/// <summary>The repository's docker-compose.yml as Compose sees it: anchors and merges resolved, variables at their defaults.</summary>
public static partial class ComposeFile
{
    /// <summary>The services, by name.</summary>
    public static IReadOnlyDictionary<string, YamlPart> Services => Read()["services"].Entries;

    /// <summary>The whole file.</summary>
    public static YamlPart Read()
    {
        var text = Variable().Replace(File.ReadAllText(Repository.PathOf("docker-compose.yml")), x => x.Groups[1].Value);
        using var reader = new StringReader(text);
        return new YamlPart(new DeserializerBuilder().Build().Deserialize<object>(new MergingParser(new Parser(reader))));
    }

    /// <summary>Of a service, what it mounts from the repository: the host's path relative to the root, the container's, and the mode.</summary>
    public static IReadOnlyList<(string Host, string Container, string Mode)> Mounts(YamlPart service)
    {
        ArgumentNullException.ThrowIfNull(service);
        return [.. service["volumes"].Items.Select(x => x.Text!.Split(':')).Where(x => x[0].StartsWith("./", StringComparison.Ordinal)).Select(x => (x[0][2..], x[1], x.Length > 2 ? x[2] : "rw"))];
    }

    // ${NAME:-default}
    [GeneratedRegex(@"\$\{[A-Z_]+:-([^}]*)\}")]
    private static partial Regex Variable();
}
