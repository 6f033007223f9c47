using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Stage.V1;

namespace Mesh.Gateway.Catalogue;

/// <summary>A model as the stages that run it describe it.</summary>
/// <param name="Ref">Its id, and the public version: SHA-256 over those of its parts.</param>
/// <param name="Text">The text stage's part.</param>
/// <param name="Generator">The generator's.</param>
/// <param name="Decoder">The decoder's.</param>
/// <param name="Loaded">Whether every stage holds it now.</param>
internal sealed record CatalogueModel(ModelRef Ref, StagePart Text, StagePart Generator, StagePart Decoder, bool Loaded)
{
    public GeneratorModel Recipe => Generator.Model.Generator;

    public bool Preview => Decoder.Model.Decoder.Preview;
}

/// <summary>One stage's part of a model.</summary>
/// <param name="Model">As a replica described it.</param>
/// <param name="Kinds">What the replicas that hold it compute on and with; one where they are alike.</param>
internal sealed record StagePart(StageModel Model, IReadOnlyList<ComputeKind> Kinds)
{
    /// <summary>What a piece of work asks for.</summary>
    public ModelRef Ref => Model.Model;
}

/// <summary>What bytes depend on besides weights and request.</summary>
/// <param name="DeviceKind">Such as "cpu avx512".</param>
/// <param name="Build">The mesh's build and the tensor library's version.</param>
/// <param name="Numerics">Such as float32.</param>
internal sealed record ComputeKind(string DeviceKind, string Build, string Numerics)
{
    /// <summary>Of a replica that computed something with a model.</summary>
    public static ComputeKind Of(GetStageResponse info, string model) =>
        new(info.DeviceKind, info.Build, info.Models.FirstOrDefault(x => x.Model.Id == model)?.Numerics ?? "");
}
