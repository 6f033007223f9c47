using Mesh.Models.Networks;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Cli.Models;

/// <summary>Whether a component's weights are those that its configuration asks for, by names and shapes; no data is read.</summary>
internal static class NetworkKeys
{
    /// <exception cref="WeightFileException">The class is not built here, or names or shapes differ.</exception>
    /// <exception cref="ModelConfigException">The configuration asks for something that is not built.</exception>
    public static void Check(ModelComponent component)
    {
        using var network = Build(component);
        using var weights = component.OpenWeights();
        StrictLoader.Check(network.state_dict().ToDictionary(t => t.Key, t => t.Value.shape, StringComparer.Ordinal), weights);
    }

    /// <summary>The network without memory for its weights.</summary>
    private static nn.Module Build(ModelComponent component)
    {
        var config = component.RequireConfig();
        // A folder may call a full CLIP model's configuration by the class that uses part of it, so there the index decides.
        string name = component.Library == "transformers" ? component.Class! : component.ConfiguredClass ?? component.Class ?? "";
        return name switch
        {
            "UNet2DConditionModel" => new UNet(UNetConfig.FromJson(config), META),
            "AutoencoderKL" => new AutoencoderKL(AutoencoderKLConfig.FromJson(config), META),
            "AutoencoderTiny" => new AutoencoderTiny(AutoencoderTinyConfig.FromJson(config), META),
            "ControlNetModel" => new ControlNet(ControlNetConfig.FromJson(config), META),
            "CLIPTextModel" => new ClipTextEncoder(ClipTextConfig.FromJson(config, projection: false), META),
            "CLIPTextModelWithProjection" => new ClipTextEncoder(ClipTextConfig.FromJson(config, projection: true), META),
            _ => throw new WeightFileException($"{component.ConfigPath} describes the class {WeightFileException.Quote(name)}, which is not built here"),
        };
    }
}
