using System.CommandLine;
using System.Globalization;
using Mesh.Cli.Bench.Serve;
using Spectre.Console;
using TorchSharp;

namespace Mesh.Cli.Bench;

/// <summary><c>mesh bench</c>: <c>model</c> for time, rate and memory of full-size networks, <c>serve</c> for the mesh as a whole.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        var command = new Command("bench", "Measure what this machine reaches.");
        command.Subcommands.Add(Model());
        command.Subcommands.Add(ServeCommand.Create());
        command.Subcommands.Add(Train.TrainBench.Create());
        command.Subcommands.Add(Train.JobsBench.Create());
        command.Subcommands.Add(MetricBench.Create());
        return command;
    }

    private static Command Model()
    {
        var names = ModelSubject.All.Select(x => x.Name).ToArray();
        var only = new Argument<string[]>("networks") { Arity = ArgumentArity.ZeroOrMore, Description = $"Which: {string.Join(", ", names)}. None: all." };
        only.AcceptOnlyFromAmong(names);
        var runs = new Option<int>("--runs") { Description = "Timed runs of each; the median counts.", DefaultValueFactory = _ => 5 };
        var dtype = new Option<string>("--dtype") { Description = "What networks compute in.", DefaultValueFactory = _ => "float32" };
        dtype.AcceptOnlyFromAmong("float32", "bfloat16");
        var command = new Command("model", "Full-size networks with random weights at 512 px, batch 1, beside a 320-channel 3x3 convolution.") { only, runs, dtype };
        command.SetAction((parsed, cancel) =>
        {
            var count = parsed.GetValue(runs);
            if (count < 1) throw new ArgumentException($"--runs {count}: at least 1 is needed");
            var chosen = parsed.GetValue(only) is { Length: > 0 } some ? ModelSubject.All.Where(x => some.Contains(x.Name)) : ModelSubject.All;
            var type = parsed.GetValue(dtype) == "bfloat16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;
            Report([.. chosen], type, count, AnsiConsole.Console, cancel);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Report(List<ModelSubject> subjects, torch.ScalarType dtype, int runs, IAnsiConsole console, CancellationToken cancel)
    {
        // The measure is taken in float32 whatever the networks compute in, and before and after, for machines are noisy.
        var before = ModelBench.ConvolutionRate(torch.ScalarType.Float32);
        var results = subjects.Select(subject => ModelBench.Measure(subject, dtype, runs, cancel)).ToList();
        var rate = Math.Max(before, ModelBench.ConvolutionRate(torch.ScalarType.Float32));
        console.WriteLine(Invariant($"libtorch {torch.__version__}, {torch.get_num_threads()} threads, {dtype}; 3x3 convolution of 320 channels: {rate / 1e9:0} GFLOP/s (float32)"));
        var table = new Table().AddColumns("network", "time", "TFLOP", "GFLOP/s", "share", "peak memory");
        foreach (var x in results)
        {
            table.AddRow(x.Name, Invariant($"{x.Seconds * 1000:0.0} ms"), Invariant($"{x.Operations / 1e12:0.000}"), Invariant($"{x.Rate / 1e9:0}"), Invariant($"{x.Rate / rate:0 %}"),
                x.PeakBytes is { } bytes ? Invariant($"{bytes / (double)(1 << 20):0} MiB") : "unknown");
        }
        console.Write(table);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
