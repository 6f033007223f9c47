using Mesh.Models.Recipes;
using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>Pictures to make.</summary>
public sealed record TextToImageRequest
{
    /// <summary>One text for each picture.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>One seed for each picture.</summary>
    public required IReadOnlyList<long> Seeds { get; init; }

    /// <summary>What the pictures should not show; counts only with guidance above 1. Null is the model's own idea of nothing.</summary>
    public string? NegativePrompt { get; init; }

    /// <summary>Rows in pixels; the model's own size where null.</summary>
    public int? Height { get; init; }

    /// <summary>Columns in pixels; the model's own size where null.</summary>
    public int? Width { get; init; }

    /// <summary>Network steps; the recipe's where null.</summary>
    public int? Steps { get; init; }

    /// <summary>Guidance; the recipe's where null.</summary>
    public double? Guidance { get; init; }

    /// <summary>Guidance rescale; the recipe's where null.</summary>
    public double? GuidanceRescale { get; init; }

    /// <summary>How many of the text encoders' last layers to leave out.</summary>
    public int ClipSkip { get; init; }

    /// <summary>Whether large pictures are decoded by tiles.</summary>
    public bool TiledDecoding { get; init; }

    /// <summary>ControlNets.</summary>
    public IReadOnlyList<ControlUse> Controls { get; init; } = [];
}

/// <summary>A picture that was made.</summary>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
/// <param name="Rgb">height x width x 3 bytes.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="Prompt">Its text.</param>
public sealed record GeneratedPicture(int Width, int Height, byte[] Rgb, long Seed, string Prompt);

/// <summary>The whole way from texts to pixels in one process. A picture depends on its own text and seed, never on the others of its request.</summary>
public sealed class TextToImagePipeline : IDisposable
{
    private const int FallbackSide = 512;

    private readonly bool _zerosForAbsent;

    /// <summary>Puts stages together; they belong to the pipeline.</summary>
    /// <param name="text">Texts to conditioning.</param>
    /// <param name="denoise">Noise to latents.</param>
    /// <param name="decode">Latents to pixels.</param>
    /// <param name="zerosForAbsentNegative">Whether an absent negative text is zeros (SDXL) rather than the encoding of the empty text.</param>
    public TextToImagePipeline(TextStage text, DenoiseStage denoise, DecodeStage decode, bool zerosForAbsentNegative = false)
    {
        (Text, Denoise, Decode, _zerosForAbsent) = (text, denoise, decode, zerosForAbsentNegative);
    }

    /// <summary>Texts to conditioning.</summary>
    public TextStage Text { get; }

    /// <summary>Noise to latents.</summary>
    public DenoiseStage Denoise { get; }

    /// <summary>Latents to pixels.</summary>
    public DecodeStage Decode { get; }

    /// <summary>How the model is stepped.</summary>
    public Recipe Recipe => Denoise.Recipe;

    /// <summary>Loads a model.</summary>
    /// <exception cref="Weights.WeightFileException">The folder or a file is not what it should be.</exception>
    /// <exception cref="RecipeException">How the model is stepped is not known.</exception>
    public static TextToImagePipeline Load(ModelDescription model, ComputeOptions? compute = null)
    {
        var networks = new ModelNetworks(model, compute);
        var denoise = networks.LoadDenoiser();
        TextStage? text = null;
        try
        {
            text = networks.LoadText();
            var zeros = networks.TextEncoders.Count == 2 && networks.Folder.Option("force_zeros_for_empty_prompt", absent: true);
            return new TextToImagePipeline(text, denoise, networks.LoadDecoder(), zeros);
        }
        catch
        {
            denoise.Dispose();
            text?.Dispose();
            throw;
        }
    }

    /// <summary>Makes the pictures of a request, in its order.</summary>
    /// <exception cref="ArgumentException">The request does not fit the model.</exception>
    public IReadOnlyList<GeneratedPicture> Generate(TextToImageRequest request, CancellationToken cancel = default)
    {
        if (request.Prompts.Count == 0 || request.Prompts.Count != request.Seeds.Count)
            throw new ArgumentException($"{request.Prompts.Count} texts and {request.Seeds.Count} seeds", nameof(request));
        using var scope = NewDisposeScope();
        var side = Denoise.NativeSide ?? FallbackSide;
        var text = Text.Encode(request.Prompts, request.ClipSkip);
        cancel.ThrowIfCancellationRequested();
        var latents = Denoise.Run(
            new DenoiseInput
            {
                Text = text,
                Negative = Guidance.IsActive(request.Guidance ?? Recipe.Guidance) ? Negative(request, text) : null,
                Seeds = request.Seeds,
                Height = request.Height ?? side,
                Width = request.Width ?? side,
                Steps = request.Steps,
                Guidance = request.Guidance,
                GuidanceRescale = request.GuidanceRescale,
                Controls = request.Controls,
            },
            cancel);
        var pictures = new List<GeneratedPicture>();
        for (var i = 0; i < request.Seeds.Count; i++)
        {
            cancel.ThrowIfCancellationRequested();
            using var one = NewDisposeScope();
            var pixels = DecodeStage.ToPixels(Decode.Decode(latents.narrow(0, i, 1), request.TiledDecoding));
            pictures.Add(new GeneratedPicture((int)pixels.shape[2], (int)pixels.shape[1], pixels.data<byte>().ToArray(), request.Seeds[i], request.Prompts[i]));
        }

        return pictures;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Text.Dispose();
        Denoise.Dispose();
        Decode.Dispose();
    }

    private TextConditioning Negative(TextToImageRequest request, TextConditioning text)
    {
        if (request.NegativePrompt is not null || !_zerosForAbsent)
            return Text.Encode([request.NegativePrompt ?? ""], request.ClipSkip);
        using var row = text.Rows(0, 1);
        return row.Zeros();
    }
}
