using TorchSharp;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Names and shapes of the published networks at full size.</summary>
public sealed class ShapesGroup : IGoldenGroup
{
    /// <inheritdoc/>
    public string Name => "shapes";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        // On the meta device nothing is allocated.
        using var network = GoldenNetworks.Build(golden.Field("class").GetString()!, golden.Field("config"), torch.META);
        yield return GoldenNetworks.Keys("shapes", network, golden.Field("shapes").Shapes());
        yield return Check.Count("tensors", Math.Abs(network.state_dict().Count - golden.Field("tensors").GetInt64()));
        yield return Check.Count("parameters", Math.Abs(GoldenNetworks.ParametersOf(network) - golden.Field("parameters").GetInt64()));
    }
}
