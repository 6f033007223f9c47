using System.Collections.Frozen;
using Mesh.Cli.Verify.Groups;

namespace Mesh.Cli.Verify;

/// <summary>The groups that this build can compute.</summary>
public static class GoldenGroups
{
    /// <summary>Every group, in the order in which they are best run (small ones first).</summary>
    public static IReadOnlyList<IGoldenGroup> All { get; } =
    [
        new BadfilesGroup(),
        new FoldersGroup(),
        new TokenizerGroup(),
        new NoiseGroup(),
        new ResizeGroup(),
        new SamplersGroup(),
        new ShapesGroup(),
        new TextGroup(),
        new UNetGroup(),
        new ControlNetGroup(),
        new StackedGroup(),
        new VaeGroup(),
        new LoraGroup(),
        new PipelinesGroup(),
        new AuraSRGroup(),
        new FlowGroup(),
        new LpipsGroup(),
        new LatentLpipsGroup(),
        new InceptionGroup(),
        new ClipScoreGroup(),
    ];

    private static readonly FrozenDictionary<string, IGoldenGroup> ByName = All.ToFrozenDictionary(g => g.Name, StringComparer.Ordinal);

    /// <summary>The group of that name, or null.</summary>
    public static IGoldenGroup? Find(string name) => ByName.GetValueOrDefault(name);
}
