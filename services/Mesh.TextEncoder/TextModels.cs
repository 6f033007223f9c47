using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Stages;
using Mesh.Models.Lora;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;
using Mesh.Models.Weights;
using Microsoft.Extensions.Options;
using LoraFile = Mesh.Contracts.Stage.V1.LoraFile;
using Module = TorchSharp.torch.nn.Module;

namespace Mesh.TextEncoder;

/// <summary>The text encoders of the configured models.</summary>
internal sealed class TextModels(IOptions<CatalogueOptions> catalogue, IOptions<DeviceOptions> options, ComputeDevice device, ILogger<TextModels> log)
    : FileModelSource<TextModel>(
        catalogue.Value.Models.Keys,
        CatalogueOptions.DefaultOf(catalogue.Value.DefaultModel, catalogue.Value.Models.Keys),
        "No text-to-image model is configured. Name one's folder under Mesh:Models.")
{
    private readonly FileHashes _hashes = new();
    private readonly ComputeOptions _compute = ComputeOptions.Of(device.Device, options.Value.Type);

    protected override string RootOf(string id) => catalogue.Value.Models[id].Folder;

    protected override IEnumerable<string> OthersOf(string id) => [.. Open(id).Paths, .. catalogue.Value.LorasOf(id).Select(x => x.Value.File)];

    protected override InstalledModel Read(string id)
    {
        var networks = Open(id);
        var encoders = networks.Fingerprint(_hashes, networks.TextEncoders);
        var details = new Contracts.Stage.V1.TextModel
        {
            EncoderHash = encoders.Version,
            TokenizerHash = networks.TokenizerHash(),
            Positions = networks.Positions(),
        };
        details.Loras.AddRange(LorasOf(id, networks));
        var version = networks.Fingerprint(_hashes, networks.TextEncoders, $"tokenizers {details.TokenizerHash}, zeros {networks.ZerosForAbsentNegative}").Version;
        return new(id, version, encoders.Parameters * _compute.ElementBytes, new StageModel
        {
            Model = new() { Id = id, Version = version },
            Numerics = options.Value.Type,
            Text = details,
        });
    }

    protected override TextModel LoadFiles(InstalledModel model)
    {
        var networks = Open(model.Id);
        var stage = networks.LoadText();
        var modules = networks.TextEncoders.Select((name, i) => (name, encoder: (Module)stage.Encoders[i])).ToDictionary(x => x.name, x => x.encoder, StringComparer.Ordinal);
        return new(stage, new LoraShelf(modules, name => networks.ReadLora(catalogue.Value.Loras[name].File, modules)), networks.ZerosForAbsentNegative);
    }

    /// <summary>Those that change an encoder. One whose file cannot be used is left out, and asking for it fails.</summary>
    private IEnumerable<LoraFile> LorasOf(string id, ModelNetworks networks)
    {
        foreach (var (name, entry) in catalogue.Value.LorasOf(id))
        {
            bool changes;
            try
            {
                using var file = networks.ReadLora(entry.File, new Dictionary<string, Module>(StringComparer.Ordinal));
                changes = file.Components.Any(x => x != "unet");
            }
            catch (Exception e) when (e is IOException or WeightFileException or LoraFormatException)
            {
                TextLog.BadLora(log, name, e.Message);
                continue;
            }
            if (changes) yield return new() { Name = name, Hash = _hashes.Sha256(entry.File) };
        }
    }

    private ModelNetworks Open(string id)
    {
        var entry = catalogue.Value.Models[id];
        var description = ModelDescription.Open(entry.Folder).With(
            entry.UNetFile, entry.BaseLoras.Select(x => new LoraUse(x.File, x.Weight)), entry.Recipe, entry.Variant, entry.Steps, entry.Guidance);
        return new(description, _compute, _hashes);
    }
}
