namespace Mesh.Cli.Up;

/// <summary>Finds the services' programs: beside this one, as a build or a publication lays them out.</summary>
/// <param name="folders">Where to look, in this order; in each <c>NAME/NAME</c> and <c>NAME</c> are tried, as a program and as a .dll.</param>
internal sealed class ServicePrograms(IReadOnlyList<string> folders)
{
    /// <summary>Looks where this program lies.</summary>
    /// <param name="folder">Looked through first; null: none.</param>
    public static ServicePrograms Beside(string? folder)
    {
        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        var kind = Path.GetFileName(here);
        var above = Path.GetDirectoryName(here) ?? here;
        // bin/Mesh.Cli/release/mesh.dll beside bin/Mesh.Gateway/release/Mesh.Gateway.dll; or published: cli/mesh beside Mesh.Gateway/Mesh.Gateway; or all in one.
        return new ServicePrograms([.. folder is null ? [] : new[] { Path.GetFullPath(folder) }, Path.Combine(above, "..", "{0}", kind), above, here]);
    }

    /// <summary>The command that runs a service, without its arguments.</summary>
    /// <param name="name">Such as <c>Mesh.Gateway</c>.</param>
    /// <exception cref="FileNotFoundException">It is in none of the folders.</exception>
    public IReadOnlyList<string> Find(string name)
    {
        var places = folders.SelectMany(x => x.Contains("{0}", StringComparison.Ordinal) ? [x.Replace("{0}", name, StringComparison.Ordinal)] : new[] { Path.Combine(x, name), x });
        foreach (var place in places.Where(Directory.Exists))
        {
            var program = Path.GetFullPath(Path.Combine(place, name));
            if (File.Exists(program + ".dll")) return [Host(), program + ".dll"];
            if (File.Exists(program)) return [program];
        }
        throw new FileNotFoundException($"{name} is not built: there is no such program beside {AppContext.BaseDirectory}; './mesh build' makes it, --services FOLDER names another place");
    }

    /// <summary>What runs a .dll: the host that runs this program, where one does.</summary>
    private static string Host()
    {
        if (Environment.ProcessPath is { } self && Path.GetFileNameWithoutExtension(self) == "dotnet") return self;
        if (Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host) return host;
        return Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root ? Path.Combine(root, "dotnet") : "dotnet";
    }
}
