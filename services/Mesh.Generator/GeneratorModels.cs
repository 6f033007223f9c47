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

namespace Mesh.Generator;

/// <summary>The U-Nets of the configured models, and the ControlNets.</summary>
internal sealed class GeneratorModels(IOptions<CatalogueOptions> catalogue, IOptions<DeviceOptions> options, ComputeDevice device)
    : FileModelSource<GeneratorPart>(
        catalogue.Value.Models.Keys,
        CatalogueOptions.DefaultOf(catalogue.Value.DefaultModel, catalogue.Value.Models.Keys),
        "No text-to-image model is configured. Name one's folder under Mesh:Models.")
{
    // No model's name holds a colon.
    private const string ControlPrefix = "control:";

    private readonly FileHashes _hashes = new();
    private readonly ComputeOptions _compute = ComputeOptions.Of(device.Device, options.Value.Type);

    /// <summary>What a ControlNet is held under.</summary>
    public static string IdOfControl(string control) => ControlPrefix + control;

    public override bool Knows(string id) => base.Knows(id) || ControlOf(id) is not null;

    protected override string RootOf(string id) => ControlOf(id)?.Folder ?? catalogue.Value.Models[id].Folder;

    protected override IEnumerable<string> OthersOf(string id) => ControlOf(id) is not null
        ? []
        : [.. Open(id).Paths, .. catalogue.Value.LorasOf(id).Select(x => x.Value.File)];

    protected override InstalledModel Read(string id)
    {
        if (ControlOf(id) is { } control)
        {
            var made = ModelNetworks.Fingerprint(control.Folder, _hashes);
            return new(id, made.Version, made.Parameters * _compute.ElementBytes, new StageModel { Model = new() { Id = id, Version = made.Version }, Numerics = options.Value.Type });
        }
        var networks = Open(id);
        var recipe = networks.Recognise().Recipe;
        var unet = networks.Fingerprint(_hashes, networks.Folder.Components.ContainsKey("scheduler") ? ["unet", "scheduler"] : ["unet"], $"recipe {recipe.Name}, factor {networks.Factor()}");
        var side = networks.NativeSide();
        var details = new GeneratorModel
        {
            Recipe = recipe.Name,
            DefaultSteps = recipe.Steps,
            DefaultGuidance = (float)recipe.Guidance,
            WidthPx = side,
            HeightPx = side,
            SizeMultiplePx = networks.Factor(),
        };
        details.KnownSteps.AddRange(recipe.KnownSteps);
        details.Loras.AddRange(catalogue.Value.LorasOf(id).Where(x => File.Exists(x.Value.File)).Select(x => new LoraFile { Name = x.Key, Hash = _hashes.Sha256(x.Value.File) }));
        details.Controls.AddRange(catalogue.Value.ControlsOf(id).Select(x => x.Key));
        return new(id, unet.Version, unet.Parameters * _compute.ElementBytes, new StageModel
        {
            Model = new() { Id = id, Version = unet.Version },
            Numerics = options.Value.Type,
            Generator = details,
        });
    }

    protected override GeneratorPart LoadFiles(InstalledModel model)
    {
        if (ControlOf(model.Id) is { } control) return new ControlPart(ModelNetworks.LoadControlNet(control.Folder, _compute));
        var networks = Open(model.Id);
        var stage = networks.LoadDenoiser();
        var modules = new Dictionary<string, Module>(StringComparer.Ordinal) { ["unet"] = stage.Network };
        var shelf = new LoraShelf(modules, name => networks.ReadLora(catalogue.Value.Loras[name].File, modules));
        return new DenoiserPart(stage, shelf, networks.TextEncoders.Count > 0 ? networks.Positions() : null, networks.NativeSide());
    }

    private ControlEntry? ControlOf(string id) =>
        id.StartsWith(ControlPrefix, StringComparison.Ordinal) ? catalogue.Value.Controls.GetValueOrDefault(id[ControlPrefix.Length..]) : null;

    private ModelNetworks Open(string id)
    {
        var entry = catalogue.Value.Models[id];
        var description = ModelDescription.Open(entry.Folder).With(
            entry.UNetFile, entry.BaseLoras.Select(x => new LoraUse(x.File, x.Weight)), entry.Recipe, entry.Variant, entry.Steps, entry.Guidance);
        return new(description, _compute, _hashes);
    }
}
