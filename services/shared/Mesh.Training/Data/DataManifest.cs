using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Models.Weights;

namespace Mesh.Training.Data;

/// <summary>
/// What a <c>data</c> job says of the shards that it made: <c>manifest.json</c> with the size and SHA-256 of every file, counts and sources. Written
/// last, so that a folder with one is whole.
/// </summary>
public static class DataManifest
{
    /// <summary>What the file is called.</summary>
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The manifest's text.</summary>
    /// <param name="remarks">Whatever else it says.</param>
    /// <param name="files">Names and contents.</param>
    public static byte[] Of(JsonObject remarks, IEnumerable<(string Name, long Bytes, string Sha256)> files)
    {
        ArgumentNullException.ThrowIfNull(remarks);
        var marks = new JsonObject();
        foreach (var (name, bytes, hash) in files)
            marks[name] = new JsonObject { ["bytes"] = bytes, ["sha256"] = hash };
        remarks["files"] = marks;
        return JsonSerializer.SerializeToUtf8Bytes(remarks, Indented);
    }

    /// <summary>The SHA-256 of bytes, 64 lower-case hexadecimal digits.</summary>
    public static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>Checks a folder's files against its manifest; one without a manifest was not made by a job and passes.</summary>
    /// <exception cref="DataException">A file is missing, of another size or content, or not listed.</exception>
    public static void Check(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return;
        Dictionary<string, FileMark> files;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            files = document.RootElement.GetProperty("files").EnumerateObject().ToDictionary(
                f => f.Name, f => new FileMark(f.Value.GetProperty("bytes").GetInt64(), f.Value.GetProperty("sha256").GetString()!), StringComparer.Ordinal);
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new DataException($"{path}: {fault.Message}", fault);
        }

        foreach (var (name, mark) in files)
        {
            var file = new FileInfo(Path.Combine(folder, name));
            if (!file.Exists || file.Length != mark.Bytes)
                throw new DataException($"{file.FullName} has {(file.Exists ? file.Length : 0)} bytes instead of {mark.Bytes}");
            if (FileHash.Sha256(file.FullName) != mark.Sha256)
                throw new DataException($"{file.FullName} has another hash than {FileName} says");
        }

        if (Directory.EnumerateFiles(folder, PictureShards.ImagePattern).FirstOrDefault(f => !files.ContainsKey(Path.GetFileName(f))) is { } extra)
            throw new DataException($"{extra} is not listed in {FileName}");
    }

    private sealed record FileMark(long Bytes, string Sha256);
}
