using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;

namespace Mesh.Hosting.Configuration;

/// <summary>Where configuration comes from: a JSON file (<c>--config FILE</c> or MESH_CONFIG), the environment, the command line, what the caller lays over. Later ones win.</summary>
internal static class ConfigurationSources
{
    private const string FileSwitch = "--config";
    private const string FileVariable = "MESH_CONFIG";
    private static readonly string[] Roots = [MeshSections.Root, "Logging"];

    /// <summary>Puts the sources in place of those that are there.</summary>
    /// <exception cref="ConfigurationException">The file cannot be read, or an argument is none.</exception>
    public static void Apply(ConfigurationManager configuration, string[] args, IReadOnlyDictionary<string, string?>? settings)
    {
        var (file, pairs, faults) = ReadArguments(args);
        file ??= Environment.GetEnvironmentVariable(FileVariable);
        if (faults.Count > 0) throw new ConfigurationException(faults);
        IConfigurationBuilder sources = configuration;
        sources.Sources.Clear();
        if (!string.IsNullOrEmpty(file)) AddFile(configuration, Path.GetFullPath(file));
        configuration.AddEnvironmentVariables();
        sources.Add(new MemoryConfigurationSource { InitialData = pairs });
        if (settings is not null) sources.Add(new MemoryConfigurationSource { InitialData = settings });
    }

    private static void AddFile(ConfigurationManager configuration, string file)
    {
        if (!File.Exists(file)) throw new ConfigurationException($"{file}: there is no such configuration file");
        try
        {
            configuration.AddJsonFile(file, optional: false, reloadOnChange: false);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{file}: {(e.InnerException ?? e).Message}");
        }
    }

    private static (string? File, List<KeyValuePair<string, string?>> Pairs, List<string> Faults) ReadArguments(string[] args)
    {
        string? file = null;
        List<KeyValuePair<string, string?>> pairs = [];
        List<string> faults = [];
        for (var i = 0; i < args.Length; i++)
        {
            var equals = args[i].IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? args[i] : args[i][..equals];
            var key = name.StartsWith("--", StringComparison.Ordinal) ? name[2..] : "";
            if (name != FileSwitch && !Roots.Any(x => key.StartsWith(x + ":", StringComparison.OrdinalIgnoreCase)))
                faults.Add($"{args[i]}: no such argument; there are --config FILE and --Mesh:Section:Key=VALUE");
            else if (equals < 0 && ++i == args.Length)
                faults.Add($"{name}: its value is missing");
            else if (name == FileSwitch)
                file = equals < 0 ? args[i] : args[i][(equals + 1)..];
            else
                pairs.Add(new(key, equals < 0 ? args[i] : args[i][(equals + 1)..]));
        }
        return (file, pairs, faults);
    }
}
