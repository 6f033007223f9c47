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

    /// <summary>Bytes that a number takes.</summary>
    public int ElementBytes => Type == ScalarType.Float32 ? sizeof(float) : sizeof(ushort);

    /// <summary>The options that configuration names.</summary>
    /// <param name="device">The device.</param>
    /// <param name="type">float32 or bfloat16.</param>
    public static ComputeOptions Of(Device device, string type) => type switch
    {
        "float32" => new(device),
        "bfloat16" => new(device, ScalarType.BFloat16),
        _ => throw new ArgumentException($"'{type}' is neither float32 nor bfloat16", nameof(type)),
    };
}

/// <summary>Loads the networks of a model that is described by a folder or a few lines, each by itself or all together.</summary>
public sealed partial class ModelNetworks
{
    private static readonly string[] TextNames = ["text_encoder", "text_encoder_2"];

    private readonly ModelDescription _model;
    private readonly ComputeOptions _compute;
    private readonly FileHashes _hashes;

    /// <summary>Opens a model without loading anything of it.</summary>
    /// <param name="model">What it is.</param>
    /// <param name="compute">Where and in what its networks compute.</param>
    /// <param name="hashes">Hashes of files that are known already.</param>
    /// <exception cref="WeightFileException">The folder is no model folder.</exception>
    public ModelNetworks(ModelDescription model, ComputeOptions? compute = null, FileHashes? hashes = null)
    {
        (_model, _compute, _hashes) = (model, compute ?? ComputeOptions.Default, hashes ?? new FileHashes());
        Folder = ModelFolder.Open(model.Folder, model.Variant);
    }

    /// <summary>The base model's folder.</summary>
    public ModelFolder Folder { get; }

    /// <summary>Names of the text encoders that are there.</summary>
    public IReadOnlyList<string> TextEncoders => [.. TextNames.Where(Folder.Components.ContainsKey)];

    /// <summary>Finds how the model is stepped.</summary>
    /// <exception cref="RecipeException">Nothing decides.</exception>
    public RecognisedRecipe Recognise() => RecipeRecognition.Decide(_model, Folder, _hashes);

    /// <summary>Loads the text encoders with their tokenizers.</summary>
    public TextStage LoadText()
    {
        if (TextEncoders.Count == 0)
            Folder.Require("text_encoder");
        var towers = TextEncoders.Select(name =>
        {
            var encoder = Load(name, (config, device) => new ClipTextEncoder(TextConfig(name, config), device));
            return new TextTower(ClipTokenizer.Load(TokenizerOf(name).Folder, new ClipTokenizerOptions(encoder.Config.MaxPositions)), encoder);
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

    /// <summary>Loads a tiny autoencoder, as previews are decoded by, from a folder of its own.</summary>
    public static DecodeStage LoadPreview(string folder, ComputeOptions? compute = null)
    {
        var component = ModelComponent.Open(folder);
        component.RequireClass("AutoencoderTiny");
        using var weights = component.OpenWeights();
        var (config, options) = (AutoencoderTinyConfig.FromJson(component.RequireConfig()), compute ?? ComputeOptions.Default);
        return new DecodeStage(Fill(BlankNetwork.Make(device => new AutoencoderTiny(config, device), options.Type), weights, options));
    }

    /// <summary>Pixels a latent's side, by the decoder's configuration.</summary>
    public int Factor()
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

    /// <summary>Merges the LoRAs' parts for one network.</summary>
    private void AddLoras(string name, Module network)
    {
        foreach (var use in _model.Loras ?? [])
        {
            using var lora = ReadLora(use.Path, new Dictionary<string, Module>(StringComparer.Ordinal) { [name] = network });
            using var merged = new MergedLoras(network);
            merged.Set(lora.Layers(name), use.Scale);
        }
    }
}
