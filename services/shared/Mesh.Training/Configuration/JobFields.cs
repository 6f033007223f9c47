using System.Globalization;
using System.Text;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Mesh.Training.Configuration;

/// <summary>
/// One mapping of a job's configuration (YAML, of which JSON is a part), read field by field. Reading notes what each field came to, defaults
/// included, so that the resolved configuration can be kept; faults are gathered and thrown together by <see cref="Done"/>.
/// </summary>
public sealed class JobFields
{
    private readonly string _path;
    private readonly YamlMappingNode? _node;
    private readonly List<FieldFault> _faults;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly List<(string Name, string Yaml, JobFields? Nested)> _resolved = [];

    private JobFields(string path, YamlMappingNode? node, List<FieldFault> faults) => (_path, _node, _faults) = (path, node, faults);

    /// <summary>Reads a document.</summary>
    /// <exception cref="JobConfigException">It is no YAML, or no mapping.</exception>
    public static JobFields Parse(string yaml)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(yaml));
        }
        catch (YamlException fault)
        {
            throw new JobConfigException("(document)", $"line {fault.Start.Line}: {fault.Message}");
        }

        return stream.Documents.Count == 1 && stream.Documents[0].RootNode is YamlMappingNode node
            ? new JobFields("", node, [])
            : throw new JobConfigException("(document)", "one mapping of fields to values is needed");
    }

    /// <summary>Whether the field is given.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>A text; must be given where <paramref name="absent"/> is null.</summary>
    public string Text(string name, string? absent = null)
    {
        var text = Scalar(name, absent);
        return Resolve(name, text ?? "", Quote(text ?? ""));
    }

    /// <summary>A text that may be left out.</summary>
    public string? OptionalText(string name) => Has(name) ? Text(name) : Skip(name);

    /// <summary>A whole number within bounds; must be given where <paramref name="absent"/> is null.</summary>
    public long Whole(string name, long? absent, long least, long most = long.MaxValue)
    {
        var text = Scalar(name, absent?.ToString(CultureInfo.InvariantCulture));
        long value = least;
        if (text is not null && !long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value))
            Fault(name, $"'{text}' is not a whole number");
        else if (text is not null && (value < least || value > most))
            Fault(name, most == long.MaxValue ? $"{value} is less than {least}" : $"{value} is not from {least} to {most}");
        return Resolve(name, value, value.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>As <see cref="Whole"/>, for numbers of 32 bits.</summary>
    public int Amount(string name, int? absent, int least, int most = int.MaxValue) => (int)Math.Clamp(Whole(name, absent, least, most), int.MinValue, int.MaxValue);

    /// <summary>A number within bounds; must be given where <paramref name="absent"/> is null.</summary>
    /// <param name="name">The field.</param>
    /// <param name="absent">Where it is not given.</param>
    /// <param name="least">The least that is allowed.</param>
    /// <param name="most">The most that is allowed.</param>
    /// <param name="above">Whether <paramref name="least"/> itself is not allowed.</param>
    public double Number(string name, double? absent, double least, double most = double.MaxValue, bool above = false)
    {
        var text = Scalar(name, absent?.ToString("R", CultureInfo.InvariantCulture));
        var value = least;
        if (text is not null && (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) || !double.IsFinite(value)))
            Fault(name, $"'{text}' is not a number");
        else if (text is not null && (value < least || value > most || (above && value == least)))
            Fault(name, $"{Show(value)} is not {(above ? "above" : "at least")} {Show(least)}{(most == double.MaxValue ? "" : $" and at most {Show(most)}")}");
        return Resolve(name, value, Show(value));
    }

    /// <summary>True or false; must be given where <paramref name="absent"/> is null.</summary>
    public bool Flag(string name, bool? absent)
    {
        var text = Scalar(name, absent is { } a ? (a ? "true" : "false") : null);
        if (text is not (null or "true" or "false"))
            Fault(name, $"'{text}' is neither true nor false");
        return Resolve(name, text == "true", text == "true" ? "true" : "false");
    }

    /// <summary>One of an enumeration's names, written in small letters with underscores.</summary>
    public T Choice<T>(string name, T? absent)
        where T : struct, Enum
    {
        var all = Enum.GetValues<T>().ToDictionary(v => Snake(v.ToString()), StringComparer.Ordinal);
        var text = Scalar(name, absent is { } a ? Snake(a.ToString()) : null);
        T value = default;
        if (text is not null && !all.TryGetValue(text, out value))
            Fault(name, $"'{text}' is none of {string.Join(", ", all.Keys)}");
        return Resolve(name, value, Quote(Snake(value.ToString())));
    }

    /// <summary>A list of whole numbers.</summary>
    public int[] Ints(string name, int[]? absent, int least) =>
    [
        .. List(
            name, absent?.Select(v => v.ToString(CultureInfo.InvariantCulture)),
            t => int.TryParse(t, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var v) && v >= least, $"whole numbers of at least {least}")
            .Select(t => int.Parse(t, CultureInfo.InvariantCulture)),
    ];

    /// <summary>A list of numbers that are not negative.</summary>
    public double[] Numbers(string name, double[]? absent) =>
    [
        .. List(name, absent?.Select(Show), t => IsNumber(t, out var v) && v >= 0, "numbers that are not negative")
            .Select(t => double.Parse(t, CultureInfo.InvariantCulture)),
    ];

    /// <summary>A list of texts.</summary>
    public string[] Texts(string name, string[]? absent) => [.. List(name, absent, _ => true, "texts")];

    /// <summary>A nested mapping; an empty one where it is not given.</summary>
    public JobFields Mapping(string name)
    {
        _known.Add(name);
        var node = Find(name);
        if (node is not (null or YamlMappingNode))
            Fault(name, "a mapping of fields is needed");
        var nested = new JobFields(PathOf(name), node as YamlMappingNode, _faults);
        _resolved.Add((name, "", nested));
        return nested;
    }

    /// <summary>Whatever a field holds, as JSON: for what another reader checks.</summary>
    /// <param name="name">The field.</param>
    /// <param name="absent">JSON where it is not given; null where it must be.</param>
    public JsonElement Raw(string name, string? absent = null)
    {
        _known.Add(name);
        var json = Find(name) is { } node ? JsonOf(node) : absent;
        if (json is null)
            Fault(name, "is missing");
        using var document = JsonDocument.Parse(Resolve(name, json ?? "{}", json ?? "{}"));
        return document.RootElement.Clone();
    }

    /// <summary>The names of the fields that are given here.</summary>
    public IEnumerable<string> Names => _node?.Children.Keys.OfType<YamlScalarNode>().Select(k => k.Value ?? "") ?? [];

    /// <summary>A path below a root folder; one that leads outside is a fault.</summary>
    /// <returns>The full path.</returns>
    public string PathBelow(string name, string root, string? absent = null) => Below(name, root, Text(name, absent));

    /// <summary>As <see cref="PathBelow"/>, null where it is not given.</summary>
    public string? OptionalPathBelow(string name, string root) => OptionalText(name) is { } text ? Below(name, root, text) : null;

    /// <summary>Adds a fault of a field that was read, for what only its meaning shows.</summary>
    public void Fault(string name, string message) => _faults.Add(new FieldFault(PathOf(name), message));

    /// <summary>Throws where a field is unknown or was at fault, here or in what is nested.</summary>
    /// <exception cref="JobConfigException">All faults.</exception>
    public void Done()
    {
        Unknown();
        if (_faults.Count > 0)
            throw new JobConfigException(_faults);
    }

    /// <summary>What every field that was read came to, as YAML.</summary>
    public string Resolved()
    {
        var text = new StringBuilder();
        Write(text, 0);
        return text.ToString();
    }

    /// <summary>What every field that was read came to, as a JSON object.</summary>
    public JsonElement ResolvedJson()
    {
        using var document = JsonDocument.Parse(Json().ToString());
        return document.RootElement.Clone();
    }

    private string Below(string name, string root, string text)
    {
        var full = Path.GetFullPath(Path.Combine(root, text));
        var inside = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root)) + Path.DirectorySeparatorChar;
        if (!full.StartsWith(inside, StringComparison.Ordinal))
            Fault(name, $"'{text}' leads outside of the root folder");
        return full;
    }

    private YamlNode? Find(string name) =>
        _node is not null && _node.Children.TryGetValue(new YamlScalarNode(name), out var value)
            && value is not YamlScalarNode { Value: "" or "null" or "~", Style: ScalarStyle.Plain }
            ? value
            : null;

    private string? Scalar(string name, string? absent)
    {
        _known.Add(name);
        switch (Find(name))
        {
            case null when absent is null:
                Fault(name, "is missing");
                return null;
            case null:
                return absent;
            case YamlScalarNode scalar:
                return scalar.Value;
            default:
                Fault(name, "one value is needed");
                return null;
        }
    }

    private string[] List(string name, IEnumerable<string>? absent, Func<string, bool> fits, string what)
    {
        _known.Add(name);
        string[] values = [];
        switch (Find(name))
        {
            case null when absent is null:
                Fault(name, "is missing");
                break;
            case null:
                values = [.. absent!];
                break;
            case YamlSequenceNode sequence when sequence.Children.All(c => c is YamlScalarNode scalar && fits(scalar.Value ?? "")):
                values = [.. sequence.Children.Select(c => ((YamlScalarNode)c).Value ?? "")];
                break;
            default:
                Fault(name, $"a list of {what} is needed");
                break;
        }

        return Resolve(name, values, $"[{string.Join(", ", values.Select(Quote))}]");
    }

    private string? Skip(string name)
    {
        _known.Add(name);
        return null;
    }

    private T Resolve<T>(string name, T value, string yaml)
    {
        _resolved.Add((name, yaml, null));
        return value;
    }

    private void Unknown()
    {
        foreach (var name in Names.Where(n => !_known.Contains(n)))
            Fault(name, "unknown field");
        foreach (var (_, _, nested) in _resolved)
            nested?.Unknown();
    }

    private void Write(StringBuilder text, int depth)
    {
        foreach (var (name, yaml, nested) in _resolved)
        {
            if (nested is null)
                text.Append(' ', 2 * depth).Append(name).Append(": ").Append(yaml).Append('\n');
            else if (nested._resolved.Count > 0)
                nested.Write(text.Append(' ', 2 * depth).Append(name).Append(":\n"), depth + 1);
        }
    }

    private StringBuilder Json()
    {
        var text = new StringBuilder("{");
        foreach (var (name, yaml, nested) in _resolved)
        {
            if (text.Length > 1)
                text.Append(',');
            text.Append(JsonSerializer.Serialize(name)).Append(':');
            if (nested is null)
                text.Append(yaml);
            else
                text.Append(nested.Json());
        }

        return text.Append('}');
    }

    private static string JsonOf(YamlNode node) => node switch
    {
        YamlMappingNode mapping => $"{{{string.Join(", ", mapping.Children.Select(c => $"{JsonSerializer.Serialize(((YamlScalarNode)c.Key).Value)}: {JsonOf(c.Value)}"))}}}",
        YamlSequenceNode sequence => $"[{string.Join(", ", sequence.Children.Select(JsonOf))}]",
        YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" } => "null",
        YamlScalarNode { Style: ScalarStyle.Plain, Value: "true" or "false" } truth => truth.Value,
        YamlScalarNode { Style: ScalarStyle.Plain } plain when IsNumber(plain.Value, out var number) => JsonSerializer.Serialize(number),
        _ => JsonSerializer.Serialize(((YamlScalarNode)node).Value),
    };

    private string PathOf(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    private static string Show(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    // Numbers and the two truth values stand as they are; all else is quoted as JSON is, which YAML reads too.
    private static string Quote(string text) =>
        text is "true" or "false" || (IsNumber(text, out var number) && Show(number) == text) ? text : JsonSerializer.Serialize(text);

    private static bool IsNumber(string? text, out double value) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);

    private static string Snake(string name) => string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
