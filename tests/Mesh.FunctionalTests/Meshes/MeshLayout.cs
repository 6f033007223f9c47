using Mesh.Models.Networks;

namespace Mesh.FunctionalTests;

/// <summary>What a test wants of a mesh, beside addresses and the device.</summary>
public sealed record MeshLayout
{
    /// <summary>The stages, in the order in which a request meets them.</summary>
    public static IReadOnlyList<string> Stages { get; } = ["text", "generator", "decoder", "upsampler"];

    /// <summary>Keys under <c>Mesh</c> with their values, of every service.</summary>
    public IReadOnlyList<(string Key, string? Value)> Settings { get; init; } = [];

    /// <summary>The same, of one stage's replicas or of gateways; or of one of them alone, by its name such as <c>gateway-2</c>.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<(string Key, string? Value)>> OwnSettings { get; init; } =
        new Dictionary<string, IReadOnlyList<(string Key, string? Value)>>();

    /// <summary>Replicas of a stage; 1 where it is not named.</summary>
    public IReadOnlyDictionary<string, int> Replicas { get; init; } = new Dictionary<string, int>();

    /// <summary>Stands between gateway and generator, in a mesh within this process; null: nothing does.</summary>
    public GeneratorRelay? Relay { get; init; }

    /// <summary>The upsampler's random numbers of a seed, in a mesh within this process; null: its own.</summary>
    public Func<ulong, IUpscaleNoise>? UpscaleNoise { get; init; }

    /// <summary>Every stage with each of its replicas' names.</summary>
    public IEnumerable<(string Stage, int Replica, string Name)> Processes =>
        Stages.SelectMany(stage => Enumerable.Range(0, Replicas.GetValueOrDefault(stage, 1)).Select(i => (stage, i, NameOf(stage, i))));

    /// <summary>The name of a replica, counted from 0.</summary>
    public static string NameOf(string stage, int replica) => replica == 0 ? stage : $"{stage}-{replica + 1}";

    /// <summary>The key of a stage's endpoints.</summary>
    public static string EndpointKey(string stage, int replica) => $"Mesh:Stages:{char.ToUpperInvariant(stage[0])}{stage[1..]}:{replica}";

    /// <summary>All settings of one service.</summary>
    /// <param name="service">A stage, or <c>gateway</c>.</param>
    /// <param name="socketOf">Where a stage's replica of a name is reached.</param>
    /// <param name="replica">Counted from 0.</param>
    public Dictionary<string, string?> SettingsOf(string service, Func<string, string> socketOf, int replica = 0)
    {
        ArgumentNullException.ThrowIfNull(socketOf);
        var all = new Dictionary<string, string?> { ["Mesh:Device:Name"] = "cpu", ["Mesh:Stages:Poll"] = "00:00:00.1", ["Mesh:Drain:Timeout"] = "00:00:10" };
        foreach (var (stage, index, name) in Processes) all[EndpointKey(stage, index)] = "unix:" + socketOf(name);
        foreach (var (key, value) in Settings) all[key] = value;
        foreach (var own in new[] { service, NameOf(service, replica) }.Distinct())
        {
            foreach (var (key, value) in OwnSettings.GetValueOrDefault(own, [])) all[key] = value;
        }
        return all;
    }
}
