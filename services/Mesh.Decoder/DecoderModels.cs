using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Stages;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;
using Mesh.Models.Weights;
using Microsoft.Extensions.Options;

namespace Mesh.Decoder;

/// <summary>The decoders of the configured models.</summary>
internal sealed class DecoderModels(IOptions<CatalogueOptions> catalogue, IOptions<DeviceOptions> options, ComputeDevice device)
    : FileModelSource<DecoderModel>(
        catalogue.Value.Models.Keys,
        CatalogueOptions.DefaultOf(catalogue.Value.DefaultModel, catalogue.Value.Models.Keys),
        "No text-to-image model is configured. Name one's folder under Mesh:Models.")
{
    private readonly FileHashes _hashes = new();
    private readonly ComputeOptions _compute = ComputeOptions.Of(device.Device, options.Value.Type);

    protected override string RootOf(string id) => catalogue.Value.Models[id].Folder;

    protected override IEnumerable<string> OthersOf(string id) => [.. Open(id).Paths, .. PreviewOf(id) is { } preview ? [preview] : Array.Empty<string>()];

    protected override InstalledModel Read(string id)
    {
        var networks = Open(id);
        var preview = PreviewOf(id) is { } folder ? ModelNetworks.Fingerprint(folder, _hashes) : null;
        var full = networks.Fingerprint(_hashes, ["vae"], $"preview {preview?.Version}");
        return new(id, full.Version, (full.Parameters + (preview?.Parameters ?? 0)) * _compute.ElementBytes, new StageModel
        {
            Model = new() { Id = id, Version = full.Version },
            Numerics = options.Value.Type,
            Decoder = new() { Scale = networks.Factor(), Preview = preview is not null },
        });
    }

    protected override DecoderModel LoadFiles(InstalledModel model)
    {
        var networks = Open(model.Id);
        var full = networks.LoadDecoder();
        try
        {
            var preview = PreviewOf(model.Id) is { } folder ? ModelNetworks.LoadPreview(folder, _compute) : null;
            return new(full, preview, networks.Folder.Components.ContainsKey("unet") ? networks.NativeSide() : ModelNetworks.FallbackSide);
        }
        catch
        {
            full.Dispose();
            throw;
        }
    }

    private string? PreviewOf(string id) => catalogue.Value.Models[id].Preview;

    private ModelNetworks Open(string id)
    {
        var entry = catalogue.Value.Models[id];
        // Neither LoRAs nor another U-Net nor a recipe change what a decoder does.
        return new(ModelDescription.Open(entry.Folder) with { Loras = null, UNetFile = null, Variant = entry.Variant }, _compute, _hashes);
    }
}
