using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Stages;
using Mesh.Models.Networks;
using Mesh.Models.Pipelines;
using Mesh.Models.Weights;
using Microsoft.Extensions.Options;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Upsampler;

/// <summary>The configured upsamplers: AuraSR's folders, with config.json and weights.</summary>
internal sealed class UpsamplerModels(IOptions<CatalogueOptions> catalogue, IOptions<DeviceOptions> options, ComputeDevice device)
    : FileModelSource<UpsamplerNetwork>(
        catalogue.Value.Upsamplers.Keys,
        CatalogueOptions.DefaultOf(catalogue.Value.DefaultUpsampler, catalogue.Value.Upsamplers.Keys),
        "No upsampler is installed. Run `mesh models pull fal/AuraSR-v2`, set Mesh:Upsamplers:aurasr:Folder to the folder that it prints, and start the upsampler again.")
{
    private readonly FileHashes _hashes = new();
    private readonly ScalarType _type = options.Value.Type == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32;

    protected override string RootOf(string id) => catalogue.Value.Upsamplers[id].Folder;

    protected override IEnumerable<string> OthersOf(string id) => [];

    protected override InstalledModel Read(string id)
    {
        var folder = RootOf(id);
        var (version, parameters) = ModelNetworks.Fingerprint(folder, _hashes);
        var config = AuraSRConfig.FromJson(ModelComponent.Open(folder).RequireConfig());
        return new(id, version, parameters * _type.ElementSize(), new StageModel
        {
            Model = new() { Id = id, Version = version },
            Numerics = options.Value.Type,
            Upsampler = new() { Scale = config.Scale, TilePx = config.InputImageSize },
        });
    }

    protected override UpsamplerNetwork LoadFiles(InstalledModel model)
    {
        var component = ModelComponent.Open(RootOf(model.Id));
        var config = AuraSRConfig.FromJson(component.RequireConfig());
        var network = BlankNetwork.Make(place => new AuraSR(config, place), _type);
        try
        {
            using var weights = component.OpenWeights();
            StrictLoader.Load(network, weights);
            network.eval();
            network.to(device.Device);
            return new(network);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
