using System.Diagnostics;
using System.Globalization;
using TorchSharp;

namespace Mesh.Benchmarks.Torch;

/// <summary>
/// What the tensor layer costs over the native library: nanoseconds an operator on one element, and the GFLOP/s of matrix products and
/// 3x3 convolutions, beside the same from a C++ program that is compiled here (g++ and libtorch's headers needed for that half).
/// </summary>
internal static class TorchBenchmark
{
    private const int Calls = 1_000;
    private const int Rounds = 3;

    /// <summary>Prints a line a measurement. Arguments: the number of threads, 2 by default.</summary>
    internal static Task<int> RunAsync(string[] args)
    {
        var threads = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 2;
        // The product must load first: it tells the BLAS which processor this is, and the reference inherits no setting of ours.
        torch.set_num_threads(threads);
        List<(string Name, double Value)> ours = [];
        Dictionary<string, double> native = [];
        for (var round = 0; round < Rounds; round++)
        {
            // In turn, so that whatever else the machine does meets both.
            var now = Measure();
            ours = round == 0 ? now : [.. ours.Zip(now, (a, b) => (a.Name, Better(a.Name, a.Value, b.Value)))];
            foreach (var (name, value) in Reference(threads)) native[name] = native.TryGetValue(name, out var before) ? Better(name, before, value) : value;
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"libtorch {torch.__version__}, {threads} threads, best of {Rounds} rounds"));
        Console.WriteLine($"{"measurement",-16}{"here",12}{"C++",12}{"share",9}");
        foreach (var (name, value) in ours)
        {
            var share = native.TryGetValue(name, out var other) ? IsTime(name) ? other / value : value / other : double.NaN;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-16}{value,12:F1}{other,12:F1}{share,9:P0}"));
        }
        return Task.FromResult(0);
    }

    private static bool IsTime(string name) => name.EndsWith("_ns", StringComparison.Ordinal);

    private static double Better(string name, double a, double b) => IsTime(name) ? Math.Min(a, b) : Math.Max(a, b);

    private static List<(string Name, double Value)> Measure()
    {
        using var still = torch.inference_mode();
        var results = new List<(string, double)>();
        using (var small = torch.ones(1))
        {
            results.Add(("add_ns", Seconds(() => Repeat(() => small.add(small))) / Calls * 1e9));
            results.Add(("add_scalar_ns", Seconds(() => Repeat(() => small + 1)) / Calls * 1e9));
            results.Add(("reshape_ns", Seconds(() => Repeat(() => small.reshape(1, 1))) / Calls * 1e9));
            results.Add(("add_in_scope_ns", Seconds(() => InScopes(small)) / Calls * 1e9));
        }
        foreach (var n in new long[] { 512, 1024, 2048 })
        {
            using torch.Tensor a = torch.randn(n, n), b = torch.randn(n, n);
            results.Add(($"matmul_{n}", 2.0 * n * n * n / Seconds(() => a.matmul(b).Dispose()) / 1e9));
        }
        foreach (var (channels, side) in new (long, long)[] { (64, 64), (128, 64), (320, 32) })
        {
            using torch.Tensor x = torch.randn(1, channels, side, side), w = torch.randn(channels, channels, 3, 3), bias = torch.randn(channels);
            var flop = 2.0 * channels * channels * 9 * side * side;
            results.Add(($"conv3x3_{channels}x{side}", flop / Seconds(() => Convolve(x, w, bias)) / 1e9));
        }
        return results;
    }

    private static void Convolve(torch.Tensor x, torch.Tensor weight, torch.Tensor bias) =>
        torch.nn.functional.conv2d(x, weight, bias, padding: [1, 1]).Dispose();

    private static void Repeat(Func<torch.Tensor> work)
    {
        for (var i = 0; i < Calls; i++) work().Dispose();
    }

    private static void InScopes(torch.Tensor small)
    {
        for (var i = 0; i < Calls / 100; i++)
        {
            using var scope = torch.NewDisposeScope();
            for (var j = 0; j < 100; j++) _ = small.add(small);
        }
    }

    /// <summary>The best of as many runs as fit into a second and a half, so that what else the machine does disturbs little.</summary>
    private static double Seconds(Action work)
    {
        var best = double.MaxValue;
        for (var spent = 0.0; spent < 1.5;)
        {
            var watch = Stopwatch.StartNew();
            work();
            var took = watch.Elapsed.TotalSeconds;
            best = Math.Min(best, took);
            spent += took;
        }
        return best;
    }

    /// <summary>Compiles and runs the C++ half; empty, with a note, where that cannot be done.</summary>
    private static Dictionary<string, double> Reference(int threads)
    {
        var folder = Path.GetDirectoryName(typeof(TorchBenchmark).Assembly.Location)!;
        var program = Path.Combine(Path.GetTempPath(), $"mesh-torch-reference-{Environment.ProcessId}");
        var libtorch = Environment.GetEnvironmentVariable("MESH_LIBTORCH");
        var (include, lib) = libtorch is null ? ("/usr/include", "/usr/lib/x86_64-linux-gnu") : ($"{libtorch}/include", $"{libtorch}/lib");
        try
        {
            Execute(
                "g++", ["-O2", "-std=c++17", "-w", $"-I{include}", Path.Combine(folder, "Torch", "reference.cpp"), "-o", program, $"-L{lib}",
                    $"-Wl,-rpath,{lib}", "-ltorch", "-ltorch_cpu", "-lc10"]);
            var lines = Execute(program, [threads.ToString(CultureInfo.InvariantCulture)]).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            return lines.Select(line => line.Split(' ')).ToDictionary(words => words[0], words => double.Parse(words[1], CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            Console.Error.WriteLine($"no numbers from C++: {e.Message}");
            return [];
        }
        finally
        {
            File.Delete(program);
        }
    }

    private static string Execute(string file, string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true };
        // The same settings as the tensor layer makes for itself, so that only the layer differs.
        start.Environment.TryAdd("GOMP_SPINCOUNT", "5000");
        if (System.Runtime.Intrinsics.X86.Avx512F.IsSupported) start.Environment.TryAdd("OPENBLAS_CORETYPE", "SkylakeX");
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{file} ended with {process.ExitCode}");
    }
}
