using System.Text.Json;

namespace Mesh.Models.Networks;

/// <summary>
/// Reads a diffusers or transformers <c>config.json</c>: keys that begin with an underscore are metadata, null means not set, and a key that
/// <c>_use_default_values</c> names counts as absent whatever value is stored.
/// </summary>
internal sealed class ConfigReader
{
    private readonly Dictionary<string, JsonElement> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly string _what;

    /// <param name="json">The object.</param>
    /// <param name="what">The network's class, for messages.</param>
    public ConfigReader(JsonElement json, string what)
    {
        _what = what;
        if (json.ValueKind != JsonValueKind.Object)
            throw Fault("is not a JSON object");
        HashSet<string> defaulted = json.TryGetProperty("_use_default_values", out var names) && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Select(n => n.GetString() ?? "")] : [];
        foreach (var property in json.EnumerateObject())
        {
            if (!property.Name.StartsWith('_') && property.Value.ValueKind != JsonValueKind.Null && !defaulted.Contains(property.Name))
                _values[property.Name] = property.Value;
        }
    }

    public int Int(string key, int absent) => Find(key) is { } value ? ToInt(key, value) : absent;

    public int? IntOrNull(string key) => Find(key) is { } value ? ToInt(key, value) : null;

    public int RequiredInt(string key) => IntOrNull(key) ?? throw Fault($"has no {key}");

    public double Double(string key, double absent) => Find(key) is { } value
        ? value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Fault($"{key} is no number") : absent;

    public bool Bool(string key, bool absent) => Find(key) is { } value
        ? value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Fault($"{key} is neither true nor false"),
        }
        : absent;

    public string? Text(string key, string? absent) => Find(key) is { } value
        ? value.ValueKind == JsonValueKind.String ? value.GetString() : throw Fault($"{key} is no text") : absent;

    public int[] Ints(string key, int[] absent) => Find(key) is { } value
        ? value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(e => ToInt(key, e))] : throw Fault($"{key} is no list") : absent;

    public string[] Texts(string key, string[] absent) => Find(key) is { } value
        ? value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(e => e.GetString() ?? "")] : throw Fault($"{key} is no list") : absent;

    public bool[] Bools(string key, bool[] absent) => Find(key) is { } value
        ? value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(e => e.ValueKind is JsonValueKind.True or JsonValueKind.False)
            ? [.. value.EnumerateArray().Select(e => e.GetBoolean())] : throw Fault($"{key} is no list of true and false")
        : absent;

    /// <summary>A list with one entry a block, or one number for all blocks.</summary>
    public int[] Each(string key, int count, int absent)
    {
        if (Find(key) is not { } value)
            return [.. Enumerable.Repeat(absent, count)];
        if (value.ValueKind == JsonValueKind.Number)
            return [.. Enumerable.Repeat(ToInt(key, value), count)];
        var list = Ints(key, []);
        return list.Length == count ? list : throw Fault($"{key} has {list.Length} entries for {count} blocks");
    }

    /// <summary>A nested object, or null.</summary>
    public JsonElement? Object(string key) => Find(key) is { } value
        ? value.ValueKind == JsonValueKind.Object ? value : throw Fault($"{key} is no object") : null;

    /// <summary>Keys whose value cannot change what the network computes.</summary>
    public void Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
            _known.Add(key);
    }

    /// <summary>A key that must be absent or have one of these values (as raw JSON, text with its quotes).</summary>
    public void Only(string key, params ReadOnlySpan<string> allowed)
    {
        if (Find(key) is not { } value)
            return;
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in value.EnumerateArray())
                CheckAllowed(key, item, allowed);
        }
        else
        {
            CheckAllowed(key, value, allowed);
        }
    }

    /// <summary>Refuses what is set and was never asked for: it might change the numbers.</summary>
    public void Done()
    {
        foreach (var (key, value) in _values)
        {
            if (!_known.Contains(key) && value.ValueKind != JsonValueKind.False)
                throw Fault($"sets {key} = {value.GetRawText()}, which is not built here");
        }
    }

    public ModelConfigException Fault(string text) => new($"configuration of {_what}: {text}");

    private void CheckAllowed(string key, JsonElement value, ReadOnlySpan<string> allowed)
    {
        var raw = value.GetRawText();
        foreach (var one in allowed)
        {
            if (raw == one || (value.ValueKind == JsonValueKind.Number && double.TryParse(one, System.Globalization.CultureInfo.InvariantCulture, out var number)
                && value.GetDouble() == number))
                return;
        }

        throw Fault($"{key} = {raw} is not built here");
    }

    private JsonElement? Find(string key)
    {
        _known.Add(key);
        return _values.TryGetValue(key, out var value) ? value : null;
    }

    private int ToInt(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : throw Fault($"{key} is no whole number");
}
