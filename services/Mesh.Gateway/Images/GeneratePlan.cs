using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Gateway.Catalogue;

namespace Mesh.Gateway.Images;

/// <summary>What a Generate call asks for, checked and with every default filled in.</summary>
internal sealed record GeneratePlan
{
    public required CatalogueModel Model { get; init; }

    public required string Prompt { get; init; }

    /// <summary>Null: none was given.</summary>
    public required string? NegativePrompt { get; init; }

    /// <summary>One an image.</summary>
    public required IReadOnlyList<ulong> Seeds { get; init; }

    public required int WidthPx { get; init; }

    public required int HeightPx { get; init; }

    public required int Steps { get; init; }

    public required float Guidance { get; init; }

    /// <summary>Those that act, in the order in which they are added.</summary>
    public required IReadOnlyList<Lora> Loras { get; init; }

    public required ControlPlan? Control { get; init; }

    public required bool Preview { get; init; }

    public required UpscalePlan? Upscale { get; init; }

    public required FilePlan File { get; init; }

    public int Count => Seeds.Count;

    /// <summary>Whether the negative prompt acts.</summary>
    public bool IsGuided => Guidance > 1;
}

/// <summary>What a ControlNet follows.</summary>
/// <param name="Model">Its id.</param>
/// <param name="Image">[3, height, width], uint8, of the image's size.</param>
/// <param name="Digest">SHA-256 of the picture as it was given.</param>
/// <param name="Scale">How strongly it acts.</param>
/// <param name="Start">The share of the steps after which it begins.</param>
/// <param name="End">The share of the steps after which it ends.</param>
internal sealed record ControlPlan(string Model, Tensor Image, ByteString Digest, float Scale, float Start, float End);

/// <summary>How pictures are enlarged.</summary>
/// <param name="Model">What enlarges.</param>
/// <param name="Overlapped">Whether in two passes.</param>
/// <param name="Seed">Of its noise; null: the picture's.</param>
internal sealed record UpscalePlan(StagePart Model, bool Overlapped, ulong? Seed)
{
    public int Scale => Model.Model.Upsampler.Scale;
}

/// <summary>How files are written.</summary>
internal sealed record FilePlan(Imaging.ImageFormat Format, int Quality)
{
    public string MimeType => Format switch
    {
        Imaging.ImageFormat.Jpeg => "image/jpeg",
        Imaging.ImageFormat.WebP => "image/webp",
        _ => "image/png",
    };
}
