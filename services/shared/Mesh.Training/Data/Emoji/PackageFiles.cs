using System.Text.Json;

namespace Mesh.Training.Data.Emoji;

/// <summary>Files of an npm package.</summary>
internal static class PackageFiles
{
    /// <summary>Reads a JSON file.</summary>
    /// <exception cref="DataException">It is not there or no JSON.</exception>
    public static JsonDocument Json(string package, string file)
    {
        var path = Path.Combine(package, file);
        try
        {
            return JsonDocument.Parse(File.ReadAllBytes(path));
        }
        catch (Exception fault) when (fault is IOException or JsonException)
        {
            throw new DataException($"{path}: {fault.Message}", fault);
        }
    }

    /// <summary>The version and the licence that a package states, the latter of its art where it says so apart.</summary>
    public static (string Version, string Licence) Statement(string package)
    {
        using var own = Json(package, "package.json");
        var licence = own.RootElement.GetProperty("license").GetString()!;
        if (File.Exists(Path.Combine(package, "info.json")))
        {
            using var info = Json(package, "info.json");
            licence = info.RootElement.GetProperty("license").GetProperty("spdx").GetString()!;
        }

        return (own.RootElement.GetProperty("version").GetString()!, licence);
    }
}
