using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Mesh.Cli.Serving;
using Mesh.Client;
using Mesh.Imaging;
using Mesh.Models.Recipes;

namespace Mesh.Cli.Generate;

/// <summary>The words of <c>mesh generate</c>.</summary>
internal sealed class GenerateOptions
{
    private const int MostPictures = 256;
    private const int MostSteps = 1000;
    private const int LargestSide = 8192;

    public Argument<string> Prompt { get; } = new("prompt") { Description = "What the picture shows." };

    public Option<string?> Local { get; } = new("--local") { Description = "Compute in this process, without a mesh: a model folder, or a file of lines that describes a model." };

    public Option<long?> Seed { get; } = new("--seed") { Description = "Seed of the first picture; the next have the next ones. Random where absent." };

    public Option<int> Count { get; } = new("--count") { Description = $"Pictures, 1 to {MostPictures}.", DefaultValueFactory = _ => 1 };

    public Option<int?> Steps { get; } = new("--steps") { Description = "Network steps; the model's own number where absent." };

    public Option<double?> Guidance { get; } = new("--guidance") { Description = "Guidance scale; above 1 the network runs twice a step." };

    public Option<string?> Negative { get; } = new("--negative") { Description = "What the picture should not show; counts with guidance above 1." };

    public Option<string?> Size { get; } = new("--size") { Description = "Side in pixels, or WIDTHxHEIGHT; the model's own size where absent." };

    public Option<string[]> Lora { get; } = new("--lora") { Description = "A LoRA of the mesh, NAME or NAME:WEIGHT; with --local a file, FILE or FILE=SCALE. May stand several times." };

    public Option<string?> OfMesh { get; } = new("--model") { Description = "The id of one of the mesh's models. Default: the mesh's own choice." };

    public Option<string?> Control { get; } = new("--control") { Description = "A picture whose layout to follow." };

    public Option<string?> ControlModel { get; } = new("--control-model") { Description = "The id of a ControlNet. Default: the only one that fits the model." };

    public Option<float?> ControlScale { get; } = new("--control-scale") { Description = "How strongly the picture acts, 0 to 2. Default: 1." };

    public Option<bool> Preview { get; } = new("--preview") { Description = "Also save a small, quick picture of each, as NAME.preview.png, as soon as it is there." };

    public Option<bool> Upscale { get; } = new("--upscale") { Description = "Enlarge each picture four times each way." };

    public Option<string?> Format { get; } = new("--format") { Description = "png, jpeg or webp. Default: as the file's name ends." };

    public Option<int?> Quality { get; } = new("--quality") { Description = "Of JPEG and WebP, 1 to 100. Default: 90." };

    public Option<string?> RequestId { get; } = new("--request-id") { Description = "A UUID; asking again with it gives the same result for some minutes." };

    public MeshConnection Connection { get; } = new();

    public Option<string?> Recipe { get; } = new("--recipe") { Description = "How the model is stepped, where its files do not tell." };

    public Option<string?> UNet { get; } = new("--unet") { Description = "A safetensors file in place of the model's own U-Net." };

    public Option<string?> Variant { get; } = new("--variant") { Description = "Preferred weight files, such as fp16." };

    public Option<string> Type { get; } = new("--dtype") { Description = "What networks compute in: fp32 or bf16.", DefaultValueFactory = _ => "fp32" };

    public Option<string?> Out { get; } = new("--out") { Description = "The picture's file (.png, .jpg, .webp); several are numbered. Default: image.png." };

    /// <summary>Words that only a mesh understands.</summary>
    public IReadOnlyList<Option> OnlineOnly => [OfMesh, Control, ControlModel, ControlScale, Preview, Upscale, Quality, RequestId, .. Connection.All];

    /// <summary>Words that only <see cref="Local"/> gives a meaning.</summary>
    public IReadOnlyList<Option> LocalOnly => [Recipe, UNet, Variant, Type];

    public void AddTo(Command command)
    {
        Type.AcceptOnlyFromAmong("fp32", "bf16");
        Count.Validators.Add(result => Check(result, 1, MostPictures));
        Steps.Validators.Add(result => Check(result, 1, MostSteps));
        command.Arguments.Add(Prompt);
        Format.AcceptOnlyFromAmong("png", "jpeg", "webp");
        foreach (var option in new Option[] { Out, Seed, Count, Size, Steps, Guidance, Negative, Lora, Format }.Concat(OnlineOnly).Append(Local).Concat(LocalOnly))
            command.Options.Add(option);
    }

    /// <summary>The model that the words describe: what <c>--local</c> names, with the other words' changes.</summary>
    public ModelDescription Model(ParseResult words)
    {
        var model = ModelDescription.Open(words.GetRequiredValue(Local)!);
        return model with
        {
            UNetFile = words.GetValue(UNet) ?? model.UNetFile,
            Recipe = words.GetValue(Recipe) ?? model.Recipe,
            Variant = words.GetValue(Variant) ?? model.Variant,
            Loras = [.. model.Loras ?? [], .. (words.GetValue(Lora) ?? []).Select(ParseLora)],
        };
    }

    /// <summary>The file to write, and so the format.</summary>
    /// <exception cref="ArgumentException">Its ending and <c>--format</c> disagree.</exception>
    public string Target(ParseResult words)
    {
        var ending = words.GetValue(Format) switch { null => null, "jpeg" => ".jpg", var format => "." + format };
        var path = words.GetValue(Out) ?? "image" + (ending ?? ".png");
        return ending is null || ImageCodec.FormatOf(path) == ImageCodec.FormatOf(ending)
            ? path
            : throw new ArgumentException($"{path} does not end as {Format.Name} {words.GetValue(Format)} asks: in {ending}");
    }

    /// <summary>Refuses words that have no meaning here.</summary>
    /// <exception cref="ArgumentException">One of them was given.</exception>
    public static void Refuse(ParseResult words, IEnumerable<Option> senseless, string why)
    {
        if (senseless.FirstOrDefault(x => words.GetResult(x) is { Implicit: false }) is { } option) throw new ArgumentException($"{option.Name} {why}");
    }

    /// <summary>Width and height, or nothing.</summary>
    /// <exception cref="ArgumentException">The text is no size.</exception>
    public static (int? Width, int? Height) ParseSize(string? text)
    {
        if (text is null)
            return (null, null);
        var sides = text.Split('x').Select(s => int.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n is >= 1 and <= LargestSide ? n : 0).ToArray();
        return sides switch
        {
            [> 0] => (sides[0], sides[0]),
            [> 0, > 0] => (sides[0], sides[1]),
            _ => throw new ArgumentException($"'{text}' is no size: a side up to {LargestSide}, or WIDTHxHEIGHT"),
        };
    }

    /// <summary>NAME or NAME:WEIGHT.</summary>
    /// <exception cref="ArgumentException">The weight is no number.</exception>
    public static LoraWeight ParseLoraName(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0) return new LoraWeight(text);
        return colon > 0 && float.TryParse(text.AsSpan(colon + 1), CultureInfo.InvariantCulture, out var weight) && float.IsFinite(weight)
            ? new LoraWeight(text[..colon], weight)
            : throw new ArgumentException($"--lora {text}: write NAME or NAME:WEIGHT");
    }

    private static LoraUse ParseLora(string text)
    {
        var equals = text.LastIndexOf('=');
        return equals > 0 && double.TryParse(text.AsSpan(equals + 1), CultureInfo.InvariantCulture, out var scale) && double.IsFinite(scale)
            ? new LoraUse(text[..equals], scale)
            : new LoraUse(text);
    }

    private static void Check(OptionResult result, int least, int most)
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : null;
        if (text is not null && int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && (value < least || value > most))
            result.AddError($"{result.Option.Name} must be {least} to {most}, not {value}");
    }
}
