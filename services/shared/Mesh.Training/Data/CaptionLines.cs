using System.Text.Json;

namespace Mesh.Training.Data;

/// <summary>Captions as JSON lines: <c>captions</c> (a list) or <c>caption</c>, <c>split</c>, and whatever else.</summary>
internal static class CaptionLines
{
    /// <summary>Reads a file's lines.</summary>
    /// <param name="path">The file.</param>
    /// <param name="first">The index of its first picture.</param>
    /// <exception cref="DataException">A line is no object or has no caption.</exception>
    public static IEnumerable<PictureEntry> Read(string path, int first)
    {
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
                yield return Parse(line, first++, $"{path}, line {number}");
        }
    }

    private static PictureEntry Parse(string line, int index, string where)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new DataException($"{where}: not an object");
            string[] captions = root.TryGetProperty("captions", out var list) && list.ValueKind == JsonValueKind.Array
                ? [.. list.EnumerateArray().Select(c => c.GetString() ?? "")]
                : root.TryGetProperty("caption", out var one) ? [one.GetString() ?? ""] : [];
            if (captions.Length == 0)
                throw new DataException($"{where}: neither captions nor caption");
            var fields = root.EnumerateObject().ToDictionary(
                p => p.Name, p => p.Value.ValueKind == JsonValueKind.String ? p.Value.GetString()! : p.Value.GetRawText(), StringComparer.Ordinal);
            return new PictureEntry(index, captions, fields.GetValueOrDefault("split", "train"), fields);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            throw new DataException($"{where}: {fault.Message}", fault);
        }
    }
}
