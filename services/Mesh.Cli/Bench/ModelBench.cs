using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Cli.Bench;

/// <summary>What one network reached.</summary>
/// <param name="Name">Which.</param>
/// <param name="Seconds">Median of its runs.</param>
/// <param name="Operations">Floating-point operations of one run.</param>
/// <param name="PeakBytes">Most memory held while it ran, its weights included; null where the system does not tell.</param>
internal sealed record ModelResult(string Name, double Seconds, double Operations, long? PeakBytes)
{
    public double Rate => Operations / Seconds;
}

/// <summary>Runs full-size networks beside a 3x3 convolution of 320 channels on 64x64 positions, whose rate is the measure.</summary>
internal static class ModelBench
{
    private const int Channels = 320;
    private const int Side = 64;
    private const int ConvolutionRuns = 40;

    /// <summary>The convolution's rate in operations a second: the best run, which is what the processor can do.</summary>
    public static double ConvolutionRate(ScalarType dtype)
    {
        // Weights are made before inference mode begins, as a server makes them: only of such can a layer tell that they have not changed.
        using var scope = NewDisposeScope();
        var layer = nn.Conv2d(Channels, Channels, 3, padding: 1);
        layer.eval();
        if (dtype != ScalarType.Float32) layer.to(dtype);
        using var mode = inference_mode();
        var x = randn([1, Channels, Side, Side]).to(dtype);
        var best = Enumerable.Range(0, ConvolutionRuns).Min(_ => Time(() => layer.call(x)));
        return 2.0 * Channels * Channels * 9 * Side * Side / best;
    }

    /// <summary>Makes a network, runs it once to count and warm up, and <paramref name="runs"/> times by the clock.</summary>
    public static ModelResult Measure(ModelSubject subject, ScalarType dtype, int runs, CancellationToken cancel)
    {
        using var scope = NewDisposeScope();
        var (network, run) = subject.Make(dtype);
        using var owned = network;
        using var mode = inference_mode();
        double operations;
        using (var count = new OperationCount(network))
        {
            run().Dispose();
            operations = count.Total;
        }
        run().Dispose();
        var forgotten = PeakMemory.Reset();
        var times = new List<double>();
        for (var i = 0; i < runs; i++)
        {
            cancel.ThrowIfCancellationRequested();
            times.Add(Time(run));
        }
        times.Sort();
        return new(subject.Name, times[times.Count / 2], operations, forgotten ? PeakMemory.Bytes() : null);
    }

    private static double Time(Func<Tensor> run)
    {
        var clock = Stopwatch.StartNew();
        run().Dispose();
        return clock.Elapsed.TotalSeconds;
    }
}
