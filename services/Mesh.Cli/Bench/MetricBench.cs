using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Training.Perception;
using Spectre.Console;
using static TorchSharp.torch;

namespace Mesh.Cli.Bench;

/// <summary>
/// <c>mesh bench metric</c>: what it costs to judge a latent of Stable Diffusion's size by LPIPS through the decoder and by E-LatentLPIPS, and how the
/// ratios stand beside those that the authors of the latter give.
/// </summary>
internal static class MetricBench
{
    // Kang et al. 2024, one 512-pixel latent on an A100.
    private const double PaperSpeed = 9.7;
    private const double PaperMemory = 25;
    private const int Seed = 1;

    private const string VaeJson = """
        {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "sample_size": 512,
         "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
         "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
        """;

    public static Command Create()
    {
        var side = new Option<int>("--side") { Description = "Side of the picture in pixels.", DefaultValueFactory = _ => 512 };
        var runs = new Option<int>("--runs") { Description = "Timed runs of each; the median counts.", DefaultValueFactory = _ => 3 };
        var augmentations = new Option<string>("--augmentations") { Description = "E-LatentLPIPS's ensemble.", DefaultValueFactory = _ => "bg" };
        var backbone = new Option<LpipsNetwork>("--backbone") { Description = "LPIPS's network.", DefaultValueFactory = _ => LpipsNetwork.Vgg };
        const string Says = "E-LatentLPIPS against LPIPS through the decoder (random weights, float32, batch 1).";
        var command = new Command("metric", Says) { side, runs, augmentations, backbone };
        command.SetAction((parsed, cancel) =>
        {
            var (pixels, count) = (parsed.GetValue(side), parsed.GetValue(runs));
            if (pixels < 64 || pixels % 8 != 0)
                throw new ArgumentException($"--side {pixels}: a multiple of 8 of at least 64 is needed");
            if (count < 1)
                throw new ArgumentException($"--runs {count}: at least 1 is needed");
            var latent = LatentPath(pixels, count, AugmentationDraws.Parse(parsed.GetValue(augmentations)!), cancel);
            var pixel = PixelPath(pixels, count, parsed.GetValue(backbone), cancel);
            var output = new AnsiConsoleOutput(parsed.InvocationConfiguration.Output);
            Report(pixels, latent, pixel, AnsiConsole.Create(new AnsiConsoleSettings { Out = output }));
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    /// <summary>Augments and compares a guess with a target, both latents.</summary>
    private static Costs LatentPath(int pixels, int runs, Augmentations ensemble, CancellationToken cancel)
    {
        using var scope = NewDisposeScope();
        using var metric = new LatentLpips(4);
        var random = new TorchGenerator(Seed);
        var (guess, target) = (Latent(random, pixels), Latent(random, pixels));
        return Measure(runs, guess, watch =>
        {
            var draws = ensemble == Augmentations.None ? null : AugmentationDraws.Draw(ensemble, 1, random);
            var augmentation = draws is null ? null : new LatentAugmentation(draws, pixels / 8, pixels / 8);
            using (NewDisposeScope())
            using (no_grad())
            {
                augmentation?.Apply(guess);
                augmentation?.Apply(target);
            }

            watch.Lap("augmenting (alone)");
            watch.Restart();
            var distance = metric.Compare(guess, target, new LatentComparison(), augmentation).Distance.sum();
            watch.Lap("forward");
            return distance;
        }, cancel);
    }

    /// <summary>Decodes a guess and compares it with a target's picture, which is there already.</summary>
    private static Costs PixelPath(int pixels, int runs, LpipsNetwork backbone, CancellationToken cancel)
    {
        using var scope = NewDisposeScope();
        using var json = JsonDocument.Parse(VaeJson);
        using var vae = new AutoencoderKL(AutoencoderKLConfig.FromJson(json.RootElement));
        vae.Freeze();
        using var metric = new Lpips(backbone);
        var random = new TorchGenerator(Seed);
        var guess = Latent(random, pixels);
        var picture = rand([1, 3, pixels, pixels]).mul(2).sub(1);
        return Measure(runs, guess, watch =>
        {
            using var unscaled = vae.Unscale(guess);
            var decoded = vae.Decode(unscaled);
            watch.Lap("decoding (part of forward)");
            var distance = metric.Compare(decoded, picture).Distance.sum();
            watch.Lap("forward");
            return distance;
        }, cancel);
    }

    private static Tensor Latent(TorchGenerator random, int pixels)
    {
        var values = new float[4 * (pixels / 8) * (pixels / 8)];
        random.Normals(values);
        return tensor(values).reshape(1, 4, pixels / 8, pixels / 8);
    }

    private static Costs Measure(int runs, Tensor guess, Func<Watch, Tensor> forward, CancellationToken cancel)
    {
        guess.requires_grad_();
        var all = new List<Watch>();
        long? memory = null;
        for (var i = -1; i < runs; i++)
        {
            cancel.ThrowIfCancellationRequested();
            var forgotten = PeakMemory.Reset();
            var before = PeakMemory.Bytes();
            var watch = new Watch();
            using (NewDisposeScope())
            {
                forward(watch).backward();
                watch.Lap("forward and backward");
            }

            guess.grad = null;
            if (i >= 0)
                all.Add(watch);
            if (forgotten && PeakMemory.Bytes() is { } peak && before is { } held)
                memory = Math.Max(memory ?? 0, peak - held);
        }

        return new Costs(all[0].Names.ToDictionary(name => name, name => Median(all.Select(w => w[name])), StringComparer.Ordinal), memory);
    }

    private static void Report(int pixels, Costs latent, Costs pixel, IAnsiConsole console)
    {
        console.WriteLine(Invariant($"libtorch {__version__}, {get_num_threads()} threads; a latent of {pixels} px, float32; gradients to the latent"));
        var table = new Table().AddColumns("path", "part", "time");
        foreach (var (path, costs) in new[] { ("LPIPS through the decoder", pixel), ("E-LatentLPIPS", latent) })
        {
            foreach (var (part, seconds) in costs.Seconds)
                table.AddRow(path, part, Invariant($"{seconds * 1000:0.0} ms"));
            table.AddRow(path, "memory over what was held", costs.Memory is { } bytes ? Invariant($"{bytes / (double)(1 << 20):0} MiB") : "unknown");
        }

        console.Write(table);
        double Ratio(string part) => pixel.Seconds[part] / latent.Seconds[part];
        var (alone, both) = (Ratio("forward"), Ratio("forward and backward"));
        console.WriteLine(Invariant($"E-LatentLPIPS is {alone:0.0} times as fast forward, {both:0.0} times with backward; the paper: {PaperSpeed} times"));
        console.WriteLine(pixel.Memory is { } most && latent.Memory is { } least && least > 0
            ? Invariant($"it needs {most / (double)least:0.0} times less memory; the paper: {PaperMemory} times")
            : "memory: this system does not let a process forget its peak");
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Medians by part, in seconds, and the most memory over what was held before a run.</summary>
    private sealed record Costs(IReadOnlyDictionary<string, double> Seconds, long? Memory);

    /// <summary>Times since the start by name.</summary>
    private sealed class Watch
    {
        private readonly List<(string Name, double Seconds)> _laps = [];
        private Stopwatch _clock = Stopwatch.StartNew();

        public IEnumerable<string> Names => _laps.Select(l => l.Name);

        public double this[string name] => _laps.Single(l => l.Name == name).Seconds;

        public void Lap(string name) => _laps.Add((name, _clock.Elapsed.TotalSeconds));

        public void Restart() => _clock = Stopwatch.StartNew();
    }
}
