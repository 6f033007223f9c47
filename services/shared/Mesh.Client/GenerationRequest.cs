using System.Security.Cryptography;
using Google.Protobuf;
using Mesh.Contracts.Image.V1;

namespace Mesh.Client;

/// <summary>A LoRA of the mesh, and how strongly it acts.</summary>
/// <param name="Name">The name that it is configured under; <see cref="MeshClient.ListModelsAsync"/> lists them.</param>
/// <param name="Weight">1 is as trained, 0 is without it; from -4 to 4.</param>
public sealed record LoraWeight(string Name, float Weight = 1);

/// <summary>A picture that a ControlNet follows.</summary>
/// <param name="Image">A PNG, JPEG or WebP file; it is resized to the image's size.</param>
public sealed record ControlPicture(ReadOnlyMemory<byte> Image)
{
    /// <summary>The id of a ControlNet; null: the only one that fits the model.</summary>
    public string? Model { get; init; }

    /// <summary>How strongly it acts, from 0 to 2.</summary>
    public float Scale { get; init; } = 1;

    /// <summary>The share of the steps after which it begins to act, from 0 to 1.</summary>
    public float Start { get; init; }

    /// <summary>The share of the steps after which it acts no more, from <see cref="Start"/> to 1.</summary>
    public float End { get; init; } = 1;
}

/// <summary>How an image is enlarged four times each way.</summary>
public sealed record Upscaling
{
    /// <summary>Two passes half a tile apart, blended: twice the work, no seams.</summary>
    public bool Overlapped { get; init; } = true;

    /// <summary>Of the upsampler's own noise; null: the image's seed.</summary>
    public ulong? Seed { get; init; }

    internal UpscaleOptions ToMessage()
    {
        var message = new UpscaleOptions { Blending = Overlapped ? TileBlending.Overlapped : TileBlending.None };
        if (Seed is { } seed) message.Seed = seed;
        return message;
    }
}

/// <summary>What to draw, and how. What is left out is as the model wants it.</summary>
/// <param name="Prompt">What the images show; at most 8 KiB of UTF-8.</param>
public sealed record GenerationRequest(string Prompt)
{
    /// <summary>
    /// A UUID of the caller's: a later call with it gets the first one's result for some minutes. Null: the client makes one, so that its own retries are safe.
    /// </summary>
    public string? RequestId { get; init; }

    /// <summary>What to keep away from; acts only where guidance does.</summary>
    public string? NegativePrompt { get; init; }

    /// <summary>How many images, at least 1.</summary>
    public int Count { get; init; } = 1;

    /// <summary>One an image, or one for all: image <c>i</c> then has that one + <c>i</c>. Only the low 32 bits count. None: drawn at random.</summary>
    public IReadOnlyList<ulong> Seeds { get; init; } = [];

    /// <summary>Pixels; null: the model's own.</summary>
    public int? Width { get; init; }

    /// <summary>Pixels; null: the model's own.</summary>
    public int? Height { get; init; }

    /// <summary>The id of a model; null: the mesh's default.</summary>
    public string? Model { get; init; }

    /// <summary>Network steps; null: as the model's recipe says.</summary>
    public int? Steps { get; init; }

    /// <summary>Classifier-free guidance, from 0 to 50; at most 1 is none. Null: as the model's recipe says.</summary>
    public float? Guidance { get; init; }

    /// <summary>In the order in which they are added.</summary>
    public IReadOnlyList<LoraWeight> Loras { get; init; } = [];

    /// <summary>A picture that guides the layout; null: none.</summary>
    public ControlPicture? Control { get; init; }

    /// <summary>Send a small, quick picture before each image.</summary>
    public bool Preview { get; init; }

    /// <summary>Enlarge each image; null: do not.</summary>
    public Upscaling? Upscale { get; init; }

    /// <summary>How images are written; PNG where not said.</summary>
    public ImageFormat Format { get; init; }

    /// <summary>Of JPEG and WebP, from 1 to 100; null: 90.</summary>
    public int? Quality { get; init; }

    /// <summary>How long the call may take; null: <see cref="MeshClientOptions.Deadline"/>.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>The message that every attempt sends: id and seeds are settled here, so that a retry asks for the same.</summary>
    internal GenerateRequest ToMessage()
    {
        var message = new GenerateRequest
        {
            RequestId = RequestId ?? Guid.NewGuid().ToString(),
            Prompt = Prompt,
            Count = Count,
            WidthPx = Width ?? 0,
            HeightPx = Height ?? 0,
            Model = Model ?? "",
            Preview = Preview,
            Upscale = Upscale?.ToMessage(),
            Format = Format,
        };
        message.Seeds.AddRange(Seeds is [] ? [RandomSeed()] : Seeds);
        message.Loras.AddRange(Loras.Select(x => new Mesh.Contracts.Common.V1.Lora { Name = x.Name, Weight = x.Weight }));
        if (NegativePrompt is not null) message.NegativePrompt = NegativePrompt;
        if (Steps is { } steps) message.Steps = steps;
        if (Guidance is { } guidance) message.Guidance = guidance;
        if (Quality is { } quality) message.Quality = quality;
        if (Control is not null)
        {
            message.Control = new ControlImage
            {
                Image = ByteString.CopyFrom(Control.Image.Span), Model = Control.Model ?? "", Scale = Control.Scale, Start = Control.Start, End = Control.End,
            };
        }
        return message;
    }

    private static ulong RandomSeed() => BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(sizeof(uint)));
}

/// <summary>An image to enlarge four times each way.</summary>
/// <param name="Image">A PNG, JPEG or WebP file, each side from 8 to 1024 pixels.</param>
public sealed record UpscalingRequest(ReadOnlyMemory<byte> Image)
{
    /// <summary>As <see cref="GenerationRequest.RequestId"/>.</summary>
    public string? RequestId { get; init; }

    /// <summary>The id of an upsampler; null: the mesh's default.</summary>
    public string? Model { get; init; }

    /// <summary>How.</summary>
    public Upscaling Options { get; init; } = new();

    /// <summary>How the whole image is written; PNG where not said.</summary>
    public ImageFormat Format { get; init; }

    /// <summary>Of JPEG and WebP, from 1 to 100; null: 90.</summary>
    public int? Quality { get; init; }

    /// <summary>Leave the whole image out: only <see cref="TileReady"/> events bring pixels.</summary>
    public bool TilesOnly { get; init; }

    /// <summary>How long the call may take; null: <see cref="MeshClientOptions.Deadline"/>.</summary>
    public TimeSpan? Deadline { get; init; }

    internal UpscaleRequest ToMessage()
    {
        var message = new UpscaleRequest
        {
            RequestId = RequestId ?? Guid.NewGuid().ToString(),
            Image = ByteString.CopyFrom(Image.Span),
            Model = Model ?? "",
            Options = Options.ToMessage(),
            Format = Format,
            TilesOnly = TilesOnly,
        };
        if (Quality is { } quality) message.Quality = quality;
        return message;
    }
}
