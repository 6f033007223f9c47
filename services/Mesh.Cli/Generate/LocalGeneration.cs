using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Mesh.Cli.Serving;
using Mesh.Imaging;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;
using TorchSharp;

namespace Mesh.Cli.Generate;

/// <summary><c>mesh generate --local</c>: pictures of a checkpoint in this process, without the mesh.</summary>
internal static class LocalGeneration
{
    // A request's latents are held together; more pictures than this go through in turns.
    private const int BatchOf = 8;

    public static async Task<int> RunAsync(GenerateOptions options, ParseResult words, CancellationToken cancel)
    {
        var output = words.InvocationConfiguration.Output;
        GenerateOptions.Refuse(words, options.OnlineOnly, "needs a mesh; leave --local away");
        var path = options.Target(words);
        var format = ImageCodec.FormatOf(path) ?? throw new ArgumentException($"{path}: the ending must be .png, .jpg, .jpeg or .webp");
        var (width, height) = GenerateOptions.ParseSize(words.GetValue(options.Size));
        var model = options.Model(words);
        var clock = Stopwatch.StartNew();
        var type = words.GetValue(options.Type) == "bf16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;
        using var pipeline = TextToImagePipeline.Load(model, new ComputeOptions(Type: type));
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"loaded in {clock.Elapsed.TotalSeconds:0.0} s, recipe {pipeline.Recipe.Name}"));

        var prompt = words.GetRequiredValue(options.Prompt);
        var first = words.GetValue(options.Seed) ?? RandomNumberGenerator.GetInt32(int.MaxValue);
        var count = words.GetValue(options.Count);
        for (var done = 0; done < count; done += BatchOf)
        {
            clock.Restart();
            var seeds = Enumerable.Range(done, Math.Min(BatchOf, count - done)).Select(i => first + i).ToArray();
            var pictures = pipeline.Generate(
                new TextToImageRequest
                {
                    Prompts = [.. Enumerable.Repeat(prompt, seeds.Length)],
                    Seeds = seeds,
                    NegativePrompt = words.GetValue(options.Negative),
                    Width = width,
                    Height = height,
                    Steps = words.GetValue(options.Steps),
                    Guidance = words.GetValue(options.Guidance),
                },
                cancel);
            var seconds = clock.Elapsed.TotalSeconds / pictures.Count;
            for (var i = 0; i < pictures.Count; i++)
            {
                var file = ImageWriting.Numbered(path, count == 1 ? null : done + i + 1);
                await SaveAsync(file, pictures[i], format, Note(pictures[i], words, options, pipeline.Recipe), cancel);
                await output.WriteLineAsync(string.Create(
                    CultureInfo.InvariantCulture, $"{file}: seed {pictures[i].Seed}, {pictures[i].Width} x {pictures[i].Height}, {seconds:0.00} s"));
            }
        }

        return ExitCode.Done;
    }

    /// <summary>What it takes to make the picture again.</summary>
    private static string Note(GeneratedPicture picture, ParseResult words, GenerateOptions options, Recipe recipe)
    {
        var negative = words.GetValue(options.Negative) is { } text ? $"\nNegative prompt: {text}" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{picture.Prompt}{negative}\nSteps: {words.GetValue(options.Steps) ?? recipe.Steps}, Sampler: {recipe.Name}, CFG scale: {words.GetValue(options.Guidance) ?? recipe.Guidance}, Seed: {picture.Seed}, Size: {picture.Width}x{picture.Height}");
    }

    private static Task SaveAsync(string file, GeneratedPicture picture, ImageFormat format, string note, CancellationToken cancel)
    {
        var bytes = ImageCodec.Encode(new Image(picture.Width, picture.Height, picture.Rgb), format, new EncodeOptions(Text: [new PngText("parameters", note)]));
        return File.WriteAllBytesAsync(file, bytes, cancel);
    }
}
