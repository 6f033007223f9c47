using System.Text.Json;
using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Recipes;
using Mesh.Models.Text;
using Mesh.Models.Weights;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Pipelines;

/// <summary>Where and in what networks compute.</summary>
/// <param name="Device">The device; the CPU where null.</param>
/// <param name="Type">Float32, or BFloat16.</param>
public sealed record ComputeOptions(Device? Device = null, ScalarType Type = ScalarType.Float32)
{
    /// <summary>Float32 on the CPU.</summary>
    public static ComputeOptions Default { get; } = new();
}

/// <summary>Loads the networks of a model that is described by a folder or a few lines, each by itself or all together.</summary>
public sealed class ModelNetworks
{
    private static readonly string[] TextNames = ["text_encoder", "text_encoder_2"];

    private readonly ModelDescription _model;
    private readonly ComputeOptions _compute;

    /// <summary>Opens a model without loading anything of it.</summary>
    /// <exception cref="WeightFileException">The folder is no model folder.</exception>
    public ModelNetworks(ModelDescription model, ComputeOptions? compute = null)
    {
        (_model, _compute) = (model, compute ?? ComputeOptions.Default);
        Folder = ModelFolder.Open(model.Folder, model.Variant);
    }

    /// <summary>The base model's folder.</summary>
    public ModelFolder Folder { get; }

    /// <summary>Names of the text encoders that are there.</summary>
    public IReadOnlyList<string> TextEncoders => [.. TextNames.Where(Folder.Components.ContainsKey)];

    /// <summary>Finds how the model is stepped.</summary>
    /// <exception cref="RecipeException">Nothing decides.</exception>
    public RecognisedRecipe Recognise() => RecipeRecognition.Decide(_model, Folder);

    /// <summary>Loads the text encoders with their tokenizers.</summary>
    public TextStage LoadText()
    {
        if (TextEncoders.Count == 0)
            Folder.Require("text_encoder");
        var towers = TextEncoders.Select(name =>
        {
            var encoder = Load(name, (config, device) => new ClipTextEncoder(TextConfig(name, config), device));
            var tokenizer = Folder.Require(name.Replace("text_encoder", "tokenizer", StringComparison.Ordinal));
            return new TextTower(ClipTokenizer.Load(tokenizer.Folder, new ClipTokenizerOptions(encoder.Config.MaxPositions)), encoder);
        }).ToArray();
        return new TextStage(towers);
    }

    /// <summary>Loads the U-Net.</summary>
    public DenoiseStage LoadDenoiser()
    {
        // What decides is cheap to find out and may be an error, so it comes before the weights.
        var recipe = Recognise().Recipe;
        return new DenoiseStage(Load("unet", (config, device) => new UNet(UNetConfig.FromJson(config), device)), recipe, Factor());
    }

    /// <summary>Loads the decoder.</summary>
    public DecodeStage LoadDecoder()
    {
        var component = Folder.Require("vae");
        return component.ConfiguredClass == "AutoencoderTiny"
            ? new DecodeStage(Load("vae", (config, device) => new AutoencoderTiny(AutoencoderTinyConfig.FromJson(config), device)))
            : new DecodeStage(Load("vae", (config, device) => new AutoencoderKL(AutoencoderKLConfig.FromJson(config), device)));
    }

    /// <summary>Loads a ControlNet from a folder of its own.</summary>
    public static ControlNet LoadControlNet(string folder, ComputeOptions? compute = null, string? variant = null)
    {
        var component = ModelComponent.Open(folder, variant);
        component.RequireClass("ControlNetModel");
        using var weights = component.OpenWeights();
        var (config, options) = (ControlNetConfig.FromJson(component.RequireConfig()), compute ?? ComputeOptions.Default);
        return Fill(BlankNetwork.Make(device => new ControlNet(config, device), options.Type), weights, options);
    }

    private int Factor()
    {
        var component = Folder.Require("vae");
        return component.ConfiguredClass == "AutoencoderTiny"
            ? AutoencoderTinyConfig.FromJson(component.RequireConfig()).Factor
            : AutoencoderKLConfig.FromJson(component.RequireConfig()).Factor;
    }

    private ClipTextConfig TextConfig(string name, JsonElement config) =>
        ClipTextConfig.FromJson(config, projection: Folder.Require(name).Class == "CLIPTextModelWithProjection");

    private T Load<T>(string name, Func<JsonElement, Device?, T> build)
        where T : Module
    {
        var component = Folder.Require(name);
        var config = component.RequireConfig();
        var blank = BlankNetwork.Make(device => build(config, device), _compute.Type);
        var network = name == "unet" && _model.UNetFile is { } file ? FillFromFile(blank, file) : FillFromComponent(blank, component);
        AddLoras(name, network);
        return network;
    }

    private T FillFromComponent<T>(T network, ModelComponent component)
        where T : Module
    {
        using var weights = component.OpenWeights();
        return Fill(network, weights, _compute);
    }

    private T FillFromFile<T>(T network, string file)
        where T : Module
    {
        using var weights = SafetensorsFile.Open(file);
        if (!OriginalCheckpoint.IsOriginal(weights))
            return Fill(network, weights, _compute);
        using var parts = OriginalCheckpoint.Open(file);
        return Fill(network, parts.Components.GetValueOrDefault("unet") ?? throw new WeightFileException($"{file} holds no U-Net"), _compute);
    }

    private static T Fill<T>(T network, IWeightSource weights, ComputeOptions compute)
        where T : Module
    {
        StrictLoader.Load(network.state_dict(), weights);
        network.eval();
        foreach (var parameter in network.parameters())
            parameter.requires_grad = false;
        return compute.Device is { } device && device.type != DeviceType.CPU ? network.to(device) : network;
    }

    /// <summary>Merges the LoRAs' parts for one network. The others are there by names and shapes alone, so that no key of a file goes unknown.</summary>
    private void AddLoras(string name, Module network)
    {
        foreach (var use in _model.Loras ?? [])
        {
            using var file = SafetensorsFile.Open(use.Path);
            var networks = new Dictionary<string, Module>(StringComparer.Ordinal) { [name] = network };
            foreach (var other in TextEncoders.Append("unet").Where(n => n != name && Folder.Components.ContainsKey(n)))
            {
                var config = Folder.Require(other).RequireConfig();
                networks[other] = other == "unet" ? new UNet(UNetConfig.FromJson(config), META) : new ClipTextEncoder(TextConfig(other, config), META);
            }

            try
            {
                using var lora = LoraFile.Read(file, networks, file.Metadata);
                using var merged = new MergedLoras(network);
                merged.Set(lora.Layers(name), use.Scale);
            }
            finally
            {
                foreach (var (other, empty) in networks)
                {
                    if (other != name)
                        empty.Dispose();
                }
            }
        }
    }
}
