using System.Globalization;
using System.Text;
using System.Text.Json;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Imaging;

namespace Mesh.Gateway.Images;

/// <summary>
/// The note in a PNG that says how it was made, under the keyword and in the form that A1111's web UI began and other programs read:
/// the prompt, the negative prompt, then "Name: value" pairs. Nothing in it depends on when, where or for whom.
/// </summary>
internal static class GenerationText
{
    public const string Keyword = "parameters";
    private const int ShortHash = 10;

    public static PngText Of(GeneratePlan plan, int index)
    {
        var text = new StringBuilder(plan.Prompt);
        if (plan.IsGuided && plan.NegativePrompt is { Length: > 0 } negative) text.Append("\nNegative prompt: ").Append(negative);
        text.Append('\n').AppendJoin(", ", Pairs(plan, index).Select(x => $"{x.Name}: {Quoted(x.Value)}"));
        return new(Keyword, text.ToString());
    }

    /// <summary>Of a picture that was enlarged and not drawn.</summary>
    public static PngText OfUpscale(UpscalePlan plan, ulong seed) => new(Keyword, string.Join(", ", UpscalePairs(plan, seed).Select(x => $"{x.Name}: {Quoted(x.Value)}")));

    private static IEnumerable<(string Name, string Value)> Pairs(GeneratePlan plan, int index)
    {
        var recipe = plan.Model.Recipe;
        yield return ("Steps", Text(plan.Steps));
        yield return ("Sampler", recipe.Recipe);
        yield return ("CFG scale", Text(plan.Guidance));
        yield return ("Seed", Text(plan.Seeds[index]));
        yield return ("Size", $"{plan.WidthPx}x{plan.HeightPx}");
        yield return ("Model hash", Short(plan.Model.Ref.Version));
        yield return ("Model", plan.Model.Ref.Id);
        if (plan.Loras.Count > 0)
        {
            yield return ("Lora hashes", string.Join(", ", plan.Loras.Select(x => $"{x.Name}: {Short(HashOf(x, recipe))}")));
            yield return ("Lora weights", string.Join(", ", plan.Loras.Select(x => $"{x.Name}: {Text(x.Weight)}")));
        }
        if (plan.Control is { } control)
        {
            var image = Short(Convert.ToHexStringLower(control.Digest.Span));
            yield return ("ControlNet 0", $"Model: {control.Model}, Weight: {Text(control.Scale)}, Guidance Start: {Text(control.Start)}, Guidance End: {Text(control.End)}, Image: {image}");
        }
        if (plan.Upscale is not { } upscale) yield break;
        foreach (var pair in UpscalePairs(upscale, upscale.Seed ?? plan.Seeds[index])) yield return pair;
    }

    private static IEnumerable<(string Name, string Value)> UpscalePairs(UpscalePlan plan, ulong seed)
    {
        yield return ("Upscale", Text(plan.Scale));
        yield return ("Upscaler", plan.Model.Ref.Id);
        yield return ("Upscaler hash", Short(plan.Model.Ref.Version));
        yield return ("Upscale seed", Text(seed));
        yield return ("Upscale blending", plan.Overlapped ? "overlapped" : "none");
    }

    private static string HashOf(Lora lora, GeneratorModel recipe) => recipe.Loras.First(x => x.Name == lora.Name).Hash;

    private static string Short(string hash) => hash.Length > ShortHash ? hash[..ShortHash] : hash;

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>Values that would be taken apart are written as JSON strings.</summary>
    private static string Quoted(string value) => value.AsSpan().IndexOfAny(",:\n\"") >= 0 ? JsonSerializer.Serialize(value) : value;
}
