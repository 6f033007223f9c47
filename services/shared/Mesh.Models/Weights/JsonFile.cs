using System.Text.Json;

namespace Mesh.Models.Weights;

/// <summary>Reads the small JSON files of a model folder.</summary>
internal static class JsonFile
{
    /// <summary>Far above any configuration that has been published; a vocabulary of 50,000 entries takes 1 MiB.</summary>
    public const int MaxBytes = 16 << 20;

    /// <summary>The file's content. The caller disposes of it.</summary>
    /// <exception cref="WeightFileException">The file is missing, too large, a git-LFS pointer, or not JSON.</exception>
    public static JsonDocument Read(string path, int maxBytes = MaxBytes)
    {
        byte[] content;
        try
        {
            long length = new FileInfo(path).Length;
            if (length > maxBytes)
                throw new WeightFileException($"{path}: {length} bytes are more than such a file can need");
            content = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WeightFileException($"{path} cannot be read: {e.Message}", e);
        }
        if (LfsPointer.TryParse(content) is { } pointer)
            throw pointer.Fault(path);
        var text = content.AsMemory();
        if (content.AsSpan().StartsWith("\uFEFF"u8))
            text = text[3..];
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException e)
        {
            throw new WeightFileException($"{path} is not valid JSON: {WeightFileException.Quote(e.Message)}", e);
        }
    }
}
