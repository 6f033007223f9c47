using System.CommandLine;
using System.Globalization;
using Mesh.Client;

namespace Mesh.Cli.Serving;

/// <summary><c>mesh upscale</c>: an image to one four times as wide and high.</summary>
internal static class UpscaleCommand
{
    private const int Scale = 4;

    public static Command Create()
    {
        var source = new Argument<string>("IN") { Description = "A PNG, JPEG or WebP file, each side from 8 to 1024 px." };
        var target = new Argument<string>("OUT") { Description = "The enlarged image (.png, .jpg, .webp)." };
        var model = new Option<string?>("--model") { Description = "The id of an upsampler. Default: the mesh's." };
        var seed = new Option<ulong?>("--seed") { Description = "Of the upsampler's own noise. Default: 0." };
        var fast = new Option<bool>("--fast") { Description = "Tiles side by side: half the work, seams can show." };
        var quality = new Option<int?>("--quality") { Description = "Of .jpg and .webp, 1 to 100. Default: 90." };
        var connection = new MeshConnection();
        var command = new Command("upscale", "Enlarge an image four times each way.") { source, target, model, seed, fast, quality };
        connection.AddTo(command);
        command.SetAction(async (words, cancel) =>
        {
            var path = words.GetRequiredValue(target);
            var format = ImageWriting.FormatOf(path);
            var request = new UpscalingRequest(await File.ReadAllBytesAsync(words.GetRequiredValue(source), cancel))
            {
                Model = words.GetValue(model),
                Format = format,
                Quality = words.GetValue(quality),
                Options = new Upscaling { Overlapped = !words.GetValue(fast), Seed = words.GetValue(seed) ?? 0 },
            };
            return await connection.UseAsync(words, mesh => RunAsync(mesh, request, path, words.InvocationConfiguration.Output, cancel));
        });
        return command;
    }

    private static Task<int> RunAsync(MeshClient mesh, UpscalingRequest request, string path, TextWriter output, CancellationToken cancel)
    {
        var console = Terminal.Over(output);
        return Terminal.WorkAsync(console, "asking the mesh", async say =>
        {
            var (done, tiles, width, height) = (0L, 0, 0, 0);
            await foreach (var happened in mesh.UpscaleAsync(request, cancel))
            {
                switch (happened)
                {
                    case CallAccepted x:
                        (width, height) = (Scale * x.Width, Scale * x.Height);
                        break;
                    case TileReady x:
                        (done, tiles) = (done + ((long)x.Width * x.Height), tiles + 1);
                        say(Invariant($"{tiles} tiles, {100 * done / Math.Max((long)width * height, 1)} %"));
                        break;
                    case ImageReady x:
                        await x.Image.SaveAsync(path, cancel);
                        console.Line(Invariant($"{path}: {width} x {height}, {tiles} tiles, {x.Elapsed.TotalSeconds:0.00} s ({ImageWriting.Stages(x.Image)})"));
                        break;
                    case ImageFailed x:
                        throw x.Error;
                }
            }
            return ExitCode.Done;
        });
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
