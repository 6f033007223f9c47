using System.Text.Json;

namespace Mesh.Cli.Up;

/// <summary>What the configuration of a mesh says that matters before its services run; they read and check the rest themselves.</summary>
internal sealed class ConfigFile
{
    private readonly JsonElement? _mesh;
    private readonly IReadOnlyList<(string Key, string Value)> _settings;

    private ConfigFile(string? path, JsonElement? mesh, IReadOnlyList<(string Key, string Value)> settings) => (Path, _mesh, _settings) = (path, mesh, settings);

    /// <summary>Its full path; null: there is none.</summary>
    public string? Path { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file; null: there is none.</param>
    /// <param name="settings">Keys under <c>Mesh</c> that go before it.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    public static ConfigFile Read(string? path, IReadOnlyList<(string Key, string Value)>? settings = null)
    {
        settings ??= [];
        if (path is null) return new ConfigFile(null, null, settings);
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(full), new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            return new ConfigFile(full, Member(json.RootElement, "Mesh")?.Clone(), settings);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{full}: {e.Message}", e);
        }
    }

    /// <summary>Whether something stands under <c>Mesh</c> at a path such as <c>Stages:Text</c>; names' case does not count.</summary>
    public bool Has(string path) =>
        _settings.Any(x => x.Key.Equals(path, StringComparison.OrdinalIgnoreCase) || x.Key.StartsWith(path + ":", StringComparison.OrdinalIgnoreCase))
        || Find(path) is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) };

    /// <summary>A text under <c>Mesh</c>, or null.</summary>
    public string? Text(string path) =>
        _settings.LastOrDefault(x => x.Key.Equals(path, StringComparison.OrdinalIgnoreCase)).Value ?? (Find(path) is { ValueKind: JsonValueKind.String } found ? found.GetString() : null);

    private JsonElement? Find(string path)
    {
        var at = _mesh;
        foreach (var name in path.Split(':'))
        {
            if (at is not { } element) return null;
            at = Member(element, name);
        }
        return at;
    }

    private static JsonElement? Member(JsonElement element, string name)
    {
        if (element.ValueKind != JsonValueKind.Object) return null;
        foreach (var member in element.EnumerateObject())
        {
            if (member.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) return member.Value;
        }
        return null;
    }
}
