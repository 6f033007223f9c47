using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Mesh.Models.Recipes;

namespace Mesh.Cli.Generate;

/// <summary>The words of <c>mesh generate</c>.</summary>
internal sealed class GenerateOptions
{
    private const int MostPictures = 256;
    private const int MostSteps = 1000;
    private const int LargestSide = 8192;

    public Argument<string> Prompt { get; } = new("prompt") { Description = "What the picture shows." };

    public Option<string?> Local { get; } = new("--local") { Description = "A model folder, or a file of lines that describes a model; computed in this process.", Required = true };

    public Option<long?> Seed { get; } = new("--seed") { Description = "Seed of the first picture; the next have the next ones. Random where absent." };

    public Option<int> Count { get; } = new("--count") { Description = $"Pictures, 1 to {MostPictures}.", DefaultValueFactory = _ => 1 };

    public Option<int?> Steps { get; } = new("--steps") { Description = "Network steps; the model's own number where absent." };

    public Option<double?> Guidance { get; } = new("--guidance") { Description = "Guidance scale; above 1 the network runs twice a step." };

    public Option<string?> Negative { get; } = new("--negative") { Description = "What the picture should not show; counts with guidance above 1." };

    public Option<string?> Size { get; } = new("--size") { Description = "Side in pixels, or WIDTHxHEIGHT; the model's own size where absent." };

    public Option<string[]> Lora { get; } = new("--lora") { Description = "A LoRA file, or FILE=SCALE; may stand several times." };

    public Option<string?> Recipe { get; } = new("--recipe") { Description = "How the model is stepped, where its files do not tell." };

    public Option<string?> UNet { get; } = new("--unet") { Description = "A safetensors file in place of the model's own U-Net." };

    public Option<string?> Variant { get; } = new("--variant") { Description = "Preferred weight files, such as fp16." };

    public Option<string> Type { get; } = new("--dtype") { Description = "What networks compute in: fp32 or bf16.", DefaultValueFactory = _ => "fp32" };

    public Option<string> Out { get; } = new("--out") { Description = "The picture's file (.png, .jpg, .webp); several are numbered.", DefaultValueFactory = _ => "image.png" };

    public void AddTo(Command command)
    {
        Type.AcceptOnlyFromAmong("fp32", "bf16");
        Count.Validators.Add(result => Check(result, 1, MostPictures));
        Steps.Validators.Add(result => Check(result, 1, MostSteps));
        command.Arguments.Add(Prompt);
        foreach (var option in new Option[] { Local, Seed, Count, Steps, Guidance, Negative, Size, Lora, Recipe, UNet, Variant, Type, Out })
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
