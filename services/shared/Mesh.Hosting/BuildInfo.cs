using System.Reflection;

namespace Mesh.Hosting;

/// <summary>What made the bytes of an image, besides the request and the weights.</summary>
public static class BuildInfo
{
    /// <summary>The mesh's version with its source's revision, such as <c>1.0.0+3f2a…</c>.</summary>
    public static string Mesh { get; } =
        typeof(BuildInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? typeof(BuildInfo).Assembly.GetName().Version!.ToString();

    /// <summary>The mesh's build and a tensor library's, such as <c>mesh 1.0.0+3f2a…, libtorch 1.13.1</c>.</summary>
    /// <param name="library">The library's name and version.</param>
    public static string With(string library) => $"mesh {Mesh}, {library}";
}
