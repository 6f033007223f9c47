using System.CommandLine;
using System.Globalization;
using Mesh.Cli.Serving;
using Mesh.Client;
using Mesh.Contracts.Image.V1;
using Spectre.Console;

namespace Mesh.Cli.Generate;

/// <summary><c>mesh generate</c> by a running mesh: each picture is saved as soon as it is there.</summary>
internal sealed class MeshGeneration(IAnsiConsole console, string path, int count)
{
    private const int Scale = 4;
    private int _failed;
    private string _size = "";

    public static async Task<int> RunAsync(GenerateOptions options, ParseResult words, CancellationToken cancel)
    {
        GenerateOptions.Refuse(words, options.LocalOnly, "works with --local only");
        var request = await RequestAsync(options, words, cancel);
        var run = new MeshGeneration(Terminal.Over(words.InvocationConfiguration.Output), options.Target(words), request.Count);
        return await options.Connection.UseAsync(words, mesh => run.RunAsync(mesh, request, cancel));
    }

    private static async Task<GenerationRequest> RequestAsync(GenerateOptions options, ParseResult words, CancellationToken cancel)
    {
        var (width, height) = GenerateOptions.ParseSize(words.GetValue(options.Size));
        var control = words.GetValue(options.Control);
        return new GenerationRequest(words.GetRequiredValue(options.Prompt))
        {
            RequestId = words.GetValue(options.RequestId),
            Count = words.GetValue(options.Count),
            // Minus one and its like are seeds too: their low 32 bits count.
            Seeds = words.GetValue(options.Seed) is { } seed ? [unchecked((uint)seed)] : [],
            Width = width,
            Height = height,
            Model = words.GetValue(options.OfMesh),
            NegativePrompt = words.GetValue(options.Negative),
            Steps = words.GetValue(options.Steps),
            Guidance = (float?)words.GetValue(options.Guidance),
            Loras = [.. (words.GetValue(options.Lora) ?? []).Select(GenerateOptions.ParseLoraName)],
            Control = control is null
                ? null
                : new ControlPicture(await File.ReadAllBytesAsync(control, cancel)) { Model = words.GetValue(options.ControlModel), Scale = words.GetValue(options.ControlScale) ?? 1 },
            Preview = words.GetValue(options.Preview),
            Upscale = words.GetValue(options.Upscale) ? new Upscaling() : null,
            Format = ImageWriting.FormatOf(options.Target(words)),
            Quality = words.GetValue(options.Quality),
        };
    }

    private Task<int> RunAsync(MeshClient mesh, GenerationRequest request, CancellationToken cancel) =>
        Terminal.WorkAsync(console, "asking the mesh", async say =>
        {
            var (ready, tiles) = (0, 0);
            await foreach (var happened in mesh.GenerateAsync(request, cancel))
            {
                if (happened is TileReady) say(Invariant($"{ready} of {count} pictures, {++tiles} tiles"));
                else if (happened is ImageReady) say(Invariant($"{++ready} of {count} pictures"));
                else if (happened is PromptEncoded) say("drawing");
                await TellAsync(happened, request.Upscale is not null, cancel);
            }
            return _failed == 0 ? ExitCode.Done : ExitCode.Failed;
        });

    private async Task TellAsync(ImageEvent happened, bool isEnlarged, CancellationToken cancel)
    {
        switch (happened)
        {
            case CallAccepted x:
                var scale = isEnlarged ? Scale : 1;
                _size = Invariant($"{scale * x.Width} x {scale * x.Height}");
                console.Line($"model {x.Model.Id} {x.Model.Version[..Math.Min(12, x.Model.Version.Length)]}, request {x.RequestId}{(x.Replayed ? ", made before" : "")}");
                break;
            case PromptEncoded x:
                console.Line($"prompt: {(x.Timings is { } timings ? ImageWriting.Stage(timings) : Found(x.Cache))}");
                break;
            case PreviewReady x:
                var preview = Path.ChangeExtension(FileOf(x.Index), ".preview" + (x.MimeType switch { "image/jpeg" => ".jpg", "image/webp" => ".webp", _ => ".png" }));
                await File.WriteAllBytesAsync(preview, x.Bytes, cancel);
                console.Line(Invariant($"{preview}: after {x.Elapsed.TotalSeconds:0.00} s"));
                break;
            case ImageReady x:
                await x.Image.SaveAsync(FileOf(x.Image.Index), cancel);
                console.Line(Invariant($"{FileOf(x.Image.Index)}: seed {x.Image.Seed}, {_size}, {x.Elapsed.TotalSeconds:0.00} s ({ImageWriting.Stages(x.Image)})"));
                break;
            case ImageFailed x:
                _failed++;
                console.Line($"{FileOf(x.Index)}: not made: {x.Error.Message}");
                break;
        }
    }

    private string FileOf(int index) => ImageWriting.Numbered(path, count == 1 ? null : index + 1);

    private static string Found(CacheOutcome cache) => cache switch
    {
        CacheOutcome.Local => "known to the gateway",
        CacheOutcome.Shared => "known to Redis",
        _ => "encoded",
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
