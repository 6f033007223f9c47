using System.Globalization;
using System.Text.Json;
using Mesh.Models.Noise;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Numbers of PyTorch's CPU generator: new generators, one generator drawn from in turn, batches of images.</summary>
public sealed class NoiseGroup : IGoldenGroup
{
    private const string VectorField = "f32 normals of 16 or more elements, absolute, vector against exact arithmetic";
    private const string DoubleField = "fp64 normals with another library, relative";
    private const double Factor = 10;
    private const int Block = 16;

    /// <inheritdoc/>
    public string Name => "noise";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("algorithm", "seeds");
        var draws = golden.Json.TryGetProperty("versions", out var versions) && versions.Text("described library") is { } library
            ? Older(library)
            : TorchDraws.Current;
        if (golden.Has("sequence"))
            return Sequence(golden, draws);
        return golden.Has("list_seeds") ? Batch(golden) : golden.TensorNames.Where(n => n.StartsWith("out.", StringComparison.Ordinal)).Select(n => Fresh(golden, n, draws)).ToArray();
    }

    private static TorchDraws Older(string library) =>
        library.StartsWith("torch 1.13", StringComparison.Ordinal) ? TorchDraws.Older : throw new FormatException($"the draws of {library} are not known");

    /// <summary>out.KIND.SEED.… of a new generator.</summary>
    private static Check Fresh(GoldenCase golden, string name, TorchDraws draws)
    {
        var parts = name.Split('.');
        var generator = new TorchGenerator(Seed(parts[2]), draws);
        switch (parts[1])
        {
            case "randint":
                return Exact(golden, name, Integers(generator, long.Parse(parts[3], CultureInfo.InvariantCulture), long.Parse(parts[4], CultureInfo.InvariantCulture), Number(parts[5])));
            case "randperm":
                return Exact(golden, name, generator.Permutation(Number(parts[3])));
            case "rand" or "randn":
                var shape = parts[4].Split('x').Select(long.Parse).ToArray();
                var values = Floats(generator, parts[1] == "randn", parts[3], (int)shape.Aggregate(1L, (a, b) => a * b));
                return Compare(golden, name, Sampled(values, parts.ElementAtOrDefault(5)), parts[1] == "randn", parts[3], values.Length, parts.Length == 5 ? shape : null);
            default:
                throw new FormatException($"{name}: no such draw is known");
        }
    }

    private static IEnumerable<Check> Sequence(GoldenCase golden, TorchDraws draws)
    {
        var steps = golden.Field("sequence").EnumerateArray().Select(s => s.GetString()!.Split(' ')).ToArray();
        foreach (var seed in golden.Field("seeds").EnumerateArray().Select(s => s.GetString()!))
        {
            var generator = new TorchGenerator(Seed(seed), draws);
            for (var i = 0; i < steps.Length; i++)
            {
                var (kind, count) = (steps[i][0], Number(steps[i][1]));
                var name = string.Create(CultureInfo.InvariantCulture, $"out.{seed}.{i:00}.{kind}.{count}");
                yield return kind switch
                {
                    "randint" => Exact(golden, name, Integers(generator, 0, 1000, count)),
                    "randperm" => Exact(golden, name, generator.Permutation(count)),
                    "rand" => Compare(golden, name, Floats(generator, false, "f32", count), false, "f32", count),
                    "randn" => Compare(golden, name, Floats(generator, true, "f32", count), true, "f32", count),
                    "randn64" => Compare(golden, name, Floats(generator, true, "f64", count), true, "f64", count),
                    _ => throw new FormatException($"{kind}: no such draw is known"),
                };
            }
        }
    }

    private static IEnumerable<Check> Batch(GoldenCase golden)
    {
        long[] seeds = [.. golden.Field("list_seeds").EnumerateArray().Select(s => Seed(s.GetString()!))];
        using var list = golden.Read("out.list");
        var image = list.shape[1..];
        using var drawn = new ImageNoise(seeds).Next(image);
        yield return Judge("out.list", drawn, list, Vector(golden));

        var single = new float[(int)list.numel()];
        new TorchGenerator(seeds[0]).Normals(single);
        using var expectedSingle = golden.Read("out.single");
        using var drawnSingle = tensor(single, list.shape);
        yield return Judge("out.single", drawnSingle, expectedSingle, Vector(golden));

        using var expectedHalf = golden.Read("out.half");
        var half = new float[(int)expectedHalf.numel()];
        new TorchGenerator(seeds[0]).Normals(half, SixteenBit.Float16);
        using var drawnHalf = tensor(half, expectedHalf.shape);
        using var wideHalf = expectedHalf.to(ScalarType.Float32);

        // Numbers that are 1e-6 apart may round to neighbours: one unit in the last of eleven bits.
        using var unit = wideHalf.abs().mul(1.0 / 1024).add(1e-7);
        using var off = drawnHalf.sub(wideHalf).abs().gt(unit);
        yield return Check.Count("out.half", off.sum().item<long>());
    }

    private static Check Exact(GoldenCase golden, string name, long[] drawn)
    {
        using var actual = tensor(drawn, [drawn.Length]);
        return golden.Compare(name, actual, 0.0);
    }

    private static Check Compare(GoldenCase golden, string name, double[] drawn, bool normal, string type, int count, long[]? shape = null)
    {
        using var expected = golden.Read(name);
        using var actual = tensor(drawn, shape ?? [drawn.Length]);
        if (normal && type == "f32" && count >= Block)
            return Judge(name, actual, expected, Vector(golden));
        if (normal && type == "f64")
        {
            using var scope = NewDisposeScope();
            var relative = actual.sub(expected).abs().div(expected.abs().clamp_min(double.Epsilon)).max().item<double>();
            var allowed = Factor * Tolerance(golden, DoubleField);
            return new Check(name, relative, allowed, relative <= allowed);
        }

        return Judge(name, actual, expected, 0);
    }

    private static Check Judge(string name, Tensor actual, Tensor expected, double absolute)
    {
        using var scope = NewDisposeScope();
        if (!actual.shape.SequenceEqual(expected.shape))
            return Check.Failure(name, $"shape [{string.Join(",", actual.shape)}] where [{string.Join(",", expected.shape)}] is expected");
        var error = actual.to(ScalarType.Float64).sub(expected.to(ScalarType.Float64)).abs().max().item<double>();
        return new Check(name, error, absolute, error <= absolute, absolute > 0 ? "absolute" : null);
    }

    private static double Vector(GoldenCase golden) => Factor * Tolerance(golden, VectorField);

    private static double Tolerance(GoldenCase golden, string field)
    {
        var tolerance = golden.Json.GetProperty("tolerance");
        return tolerance.ValueKind == JsonValueKind.Number ? tolerance.GetDouble() : tolerance.GetProperty(field).GetDouble();
    }

    private static long[] Integers(TorchGenerator generator, long low, long high, int count)
    {
        var values = new long[count];
        generator.Integers(low, high, values);
        return values;
    }

    private static double[] Floats(TorchGenerator generator, bool normal, string type, int count)
    {
        if (type == "f64")
        {
            var wide = new double[count];
            if (normal)
                generator.Normals(wide);
            else
                generator.Uniforms(wide);
            return wide;
        }

        var values = new float[count];
        switch (type, normal)
        {
            case ("f32", true):
                generator.Normals(values);
                break;
            case ("f32", false):
                generator.Uniforms(values);
                break;
            case ("f16" or "bf16", true):
                generator.Normals(values, type == "f16" ? SixteenBit.Float16 : SixteenBit.BFloat16);
                break;
            case ("f16" or "bf16", false):
                generator.Uniforms(values, type == "f16" ? SixteenBit.Float16 : SixteenBit.BFloat16);
                break;
            default:
                throw new FormatException($"the type {type} is not known");
        }

        return [.. values.Select(v => (double)v)];
    }

    private static double[] Sampled(double[] values, string? sample) => sample switch
    {
        null => values,
        "first" => values[..32],
        "last" => values[^32..],
        _ when sample.StartsWith("every", StringComparison.Ordinal) => [.. values.Where((_, i) => i % Number(sample["every".Length..]) == 0)],
        _ => throw new FormatException($"the sample {sample} is not known"),
    };

    private static long Seed(string text) => unchecked((long)ulong.Parse(text, CultureInfo.InvariantCulture));

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
