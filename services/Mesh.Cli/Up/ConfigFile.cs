using System.Text.Json;

namespace Mesh.Cli.Up;

/// <summary>What a configuration file of the mesh says that matters before its services run; they read and check the rest themselves.</summary>
internal sealed class ConfigFile
{
    private readonly JsonElement? _mesh;

    private ConfigFile(string? path, JsonElement? mesh) => (Path, _mesh) = (path, mesh);

    /// <summary>Its full path; null: there is none.</summary>
    public string? Path { get; }

    /// <summary>Reads a file; null gives one that says nothing.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    public static ConfigFile Read(string? path)
    {
        if (path is null) return new ConfigFile(null, null);
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(full), new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            return new ConfigFile(full, Member(json.RootElement, "Mesh")?.Clone());
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{full}: {e.Message}", e);
        }
    }

    /// <summary>Whether something stands under <c>Mesh</c> at a path such as <c>Stages:Text</c>; names' case does not count.</summary>
    public bool Has(string path) => Find(path) is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) };

    /// <summary>A text under <c>Mesh</c>, or null.</summary>
    public string? Text(string path) => Find(path) is { ValueKind: JsonValueKind.String } found ? found.GetString() : null;

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
