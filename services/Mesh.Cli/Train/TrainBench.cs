using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Mesh.Cli.Bench;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Training.Flow;
using Mesh.Training.Optimisation;
using Spectre.Console;
using static TorchSharp.torch;

namespace Mesh.Cli.Train;

/// <summary><c>mesh bench train</c>: a training step of the built-in model's text encoder and U-Net, part by part, beside a convolution.</summary>
internal static class TrainBench
{
    private const string UNetJson = """
        {"sample_size": 8, "in_channels": 16, "out_channels": 16, "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
         "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [128, 192], "layers_per_block": 1,
         "attention_head_dim": [4, 6], "cross_attention_dim": 192, "use_linear_projection": true, "norm_num_groups": 32}
        """;

    private const string TextJson = """
        {"vocab_size": 2048, "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 3,
         "max_position_embeddings": 32, "hidden_act": "quick_gelu", "eos_token_id": 2047}
        """;

    private static readonly string[] Parts = ["data", "forward", "backward", "optimiser", "average"];

    public static Command Create()
    {
        var batch = new Option<int>("--batch") { Description = "Images a step.", DefaultValueFactory = _ => 64 };
        var steps = new Option<int>("--steps") { Description = "Timed steps; the median counts.", DefaultValueFactory = _ => 7 };
        var command = new Command("train", "A step of flow training on the built-in model's networks (float32), beside a 320-channel 3x3 convolution.") { batch, steps };
        command.SetAction((parsed, cancel) =>
        {
            Run(parsed.GetValue(batch), parsed.GetValue(steps), AnsiConsole.Console, cancel);
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static void Run(int batch, int steps, IAnsiConsole console, CancellationToken cancel)
    {
        if (batch < 1 || steps < 1)
            throw new ArgumentException($"--batch {batch} --steps {steps}: at least 1 is needed");
        var before = ModelBench.ConvolutionRate(ScalarType.Float32);
        var times = Measure(batch, steps, cancel);
        var rate = Math.Max(before, ModelBench.ConvolutionRate(ScalarType.Float32));
        console.WriteLine(Invariant($"libtorch {__version__}, {get_num_threads()} threads; 3x3 convolution of 320 channels: {rate / 1e9:0} GFLOP/s (float32)"));
        var table = new Table().AddColumns("part", "time");
        for (var i = 0; i < Parts.Length; i++)
            table.AddRow(Parts[i], Invariant($"{Median(times.Select(t => t[i])) * 1000:0.0} ms"));
        var whole = Median(times.Select(t => t.Sum()));
        table.AddRow("step", Invariant($"{whole * 1000:0.0} ms"));
        console.Write(table);
        console.WriteLine(Invariant($"batch {batch}: {batch / whole:0.0} images/s"));
    }

    private static List<double[]> Measure(int batch, int steps, CancellationToken cancel)
    {
        using var unetJson = JsonDocument.Parse(UNetJson);
        using var textJson = JsonDocument.Parse(TextJson);
        using var scope = NewDisposeScope();
        var unet = new UNet(UNetConfig.FromJson(unetJson.RootElement));
        var text = new ClipTextEncoder(ClipTextConfig.FromJson(textJson.RootElement, projection: false));
        var all = text.named_parameters().Select(p => ("text_encoder." + p.Item1, p.Item2)).Concat(unet.named_parameters().Select(p => ("unet." + p.Item1, p.Item2))).ToArray();
        using var optimiser = new Optimiser(all, new OptimiserConfig(Beta2: 0.99));
        using var ema = new Ema(all.Select(p => new KeyValuePair<string, Tensor>(p.Item1, p.Item2)), new EmaDecay(0.999, Ramped: true));
        var random = new TorchGenerator(1);
        var times = new List<double[]>();
        for (var i = -2; i < steps; i++)
        {
            cancel.ThrowIfCancellationRequested();
            var one = Step(batch, unet, text, optimiser, ema, random);
            if (i >= 0)
                times.Add(one);
        }

        unet.Dispose();
        text.Dispose();
        return times;
    }

    private static double[] Step(int batch, UNet unet, ClipTextEncoder text, Optimiser optimiser, Ema ema, TorchGenerator random)
    {
        using var scope = NewDisposeScope();
        var times = new double[Parts.Length];
        var clock = Stopwatch.StartNew();
        void Lap(int part)
        {
            times[part] = clock.Elapsed.TotalSeconds;
            clock.Restart();
        }

        var x0 = Normals(random, batch, 16, 8, 8);
        var x1 = Normals(random, batch, 16, 8, 8);
        var tau = new FlowTimes(TimeLaw.LogitNormal).Draw(random, batch);
        var ids = randint(0, 2000, [batch, 32], ScalarType.Int64);
        var state = FlowPath.At(x0, x1, tau);
        Lap(0);
        using var said = text.Encode(ids);
        var velocity = unet.call(state, FlowPath.UNetTime(tau), said.LastHiddenState, null);
        var loss = Distances.Squared(FlowPath.Velocity(x0, x1) - velocity).mean();
        Lap(1);
        loss.backward();
        Lap(2);
        optimiser.Step(1e-3);
        Lap(3);
        ema.Update();
        Lap(4);
        return times;
    }

    private static Tensor Normals(TorchGenerator random, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        random.Normals(values);
        return tensor(values).reshape(shape);
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
