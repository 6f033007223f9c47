using System.Text.Json;

namespace Mesh.Cli.Verify;

/// <summary>Strict reading of nested objects of a case.</summary>
public static class JsonFields
{
    /// <summary>The object itself, after a check that it has no field but those.</summary>
    /// <exception cref="FormatException">It has another one, or is no object.</exception>
    public static JsonElement Only(this JsonElement element, string where, params ReadOnlySpan<string> fields)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw new FormatException($"{where} is not an object");
        foreach (var property in element.EnumerateObject())
        {
            if (!fields.Contains(property.Name))
                throw new FormatException($"{where}.{property.Name}: unknown field");
        }

        return element;
    }

    /// <summary>Text of a field, or null where it is absent.</summary>
    public static string? Text(this JsonElement element, string field) =>
        element.TryGetProperty(field, out var value) ? value.GetString() : null;

    /// <summary>A list of whole numbers.</summary>
    public static long[] Longs(this JsonElement element) => [.. element.EnumerateArray().Select(e => e.GetInt64())];

    /// <summary>A number, or a list of numbers.</summary>
    public static double[] Doubles(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Number ? [element.GetDouble()] : [.. element.EnumerateArray().Select(e => e.GetDouble())];

    /// <summary>An object of name -> shape.</summary>
    public static Dictionary<string, long[]> Shapes(this JsonElement element) =>
        element.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.Longs(), StringComparer.Ordinal);
}
