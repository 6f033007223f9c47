using System.Globalization;
using Mesh.Models.Noise;
using Mesh.Testing;

namespace Mesh.Models.Tests.Noise;

/// <summary>Numbers that PyTorch's CPU generator drew, of many seeds, types, lengths and orders.</summary>
public sealed class TorchGeneratorTests
{
    // PyTorch's own vector code for fp32 normals differs from exact arithmetic by up to 1.43e-6; ten times that is allowed.
    private const double VectorTolerance = 1.43e-5;

    // The last bit of a 64-bit logarithm or cosine belongs to the C library.
    private const double Double = 4.5e-15;

    [Theory]
    [InlineData("randn")]
    [InlineData("others")]
    [InlineData("older")]
    public void Draw_GoldenCase_GivesReferenceNumbers(string name)
    {
        var golden = GoldenTensors.Read("noise", name);
        golden.Names.Count.ShouldBeGreaterThan(20);
        foreach (var tensor in golden.Names)
        {
            var parts = tensor.Split('.');
            var generator = new TorchGenerator(Seed(parts[2]), name == "older" ? TorchDraws.Older : TorchDraws.Current);
            var drawn = parts[1] switch
            {
                "randint" => Integers(generator, parts),
                "randperm" => [.. generator.Permutation(int.Parse(parts[3], CultureInfo.InvariantCulture)).Select(v => (double)v)],
                _ => Floats(generator, parts[1] == "randn", parts[3], Length(parts[4])),
            };
            ShouldMatch(tensor, Sample(drawn, parts[1] == "randn" ? parts.ElementAtOrDefault(5) : null), golden.Numbers(tensor), Tolerance(parts[1], parts.ElementAtOrDefault(3), drawn.Length));
        }
    }

    [Fact]
    public void Draw_MixedSequence_KeepsTheSecondOfAPair()
    {
        var golden = GoldenTensors.Read("noise", "sequence");
        using var json = GoldenTensors.ReadJson("noise", "sequence");
        var sequence = json.RootElement.GetProperty("sequence").EnumerateArray().Select(s => s.GetString()!.Split(' ')).ToArray();
        foreach (var seed in json.RootElement.GetProperty("seeds").EnumerateArray().Select(s => s.GetString()!))
        {
            var generator = new TorchGenerator(Seed(seed));
            for (var i = 0; i < sequence.Length; i++)
            {
                var (kind, count) = (sequence[i][0], int.Parse(sequence[i][1], CultureInfo.InvariantCulture));
                var drawn = kind switch
                {
                    "randint" => Integers(generator, ["", "", seed, "0", "1000", sequence[i][1]]),
                    "randperm" => [.. generator.Permutation(count).Select(v => (double)v)],
                    _ => Floats(generator, kind.StartsWith("randn", StringComparison.Ordinal), kind == "randn64" ? "f64" : "f32", count),
                };
                var name = $"out.{seed}.{i:00}.{kind}.{count}";
                ShouldMatch(name, drawn, golden.Numbers(name), Tolerance(kind, kind == "randn64" ? "f64" : "f32", count));
            }
        }
    }

    [Fact]
    public void Draw_SeedsEqualInLow32Bits_Agree()
    {
        var (one, two) = (new float[20], new float[20]);
        new TorchGenerator(42).Normals(one);
        new TorchGenerator(42 + (7L << 32)).Normals(two);
        two.ShouldBe(one);
    }

    [Fact]
    public void Restore_SavedState_GoesOnAlike()
    {
        var generator = new TorchGenerator(5);
        generator.Normals(new float[3]);
        var state = generator.Save();
        var (expected, got) = (new float[700], new float[700]);
        Draw(generator, expected);

        var other = new TorchGenerator(99);
        other.Restore(state);
        Draw(other, got);

        got.ShouldBe(expected);
        Should.Throw<ArgumentException>(() => other.Restore(state.AsSpan(1)));

        static void Draw(TorchGenerator from, float[] into)
        {
            from.Normals(into.AsSpan(0, 2));
            from.Normals(into.AsSpan(2));
        }
    }

    [Fact]
    public void Integers_EmptyRange_Throws() => Should.Throw<ArgumentOutOfRangeException>(() => new TorchGenerator(0).Integers(3, 3, new long[1]));

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
        SixteenBit? narrow = type switch { "f16" => SixteenBit.Float16, "bf16" => SixteenBit.BFloat16, _ => null };
        if (normal && narrow is { } n)
            generator.Normals(values, n);
        else if (normal)
            generator.Normals(values);
        else if (narrow is { } u)
            generator.Uniforms(values, u);
        else
            generator.Uniforms(values);
        return [.. values.Select(v => (double)v)];
    }

    private static double[] Integers(TorchGenerator generator, string[] parts)
    {
        var values = new long[int.Parse(parts[5], CultureInfo.InvariantCulture)];
        generator.Integers(long.Parse(parts[3], CultureInfo.InvariantCulture), long.Parse(parts[4], CultureInfo.InvariantCulture), values);
        return [.. values.Select(v => (double)v)];
    }

    private static double[] Sample(double[] values, string? part) => part switch
    {
        null => values,
        "first" => values[..32],
        "last" => values[^32..],
        _ => [.. values.Where((_, i) => i % int.Parse(part["every".Length..], CultureInfo.InvariantCulture) == 0)],
    };

    private static double Tolerance(string kind, string? type, int count) => (kind.StartsWith("randn", StringComparison.Ordinal), type, count) switch
    {
        (true, "f32", >= 16) => VectorTolerance,
        (true, "f64", _) => Double,
        _ => 0,
    };

    private static void ShouldMatch(string name, double[] drawn, double[] expected, double tolerance)
    {
        drawn.Length.ShouldBe(expected.Length, name);
        for (var i = 0; i < drawn.Length; i++)
            Math.Abs(drawn[i] - expected[i]).ShouldBeLessThanOrEqualTo(tolerance == Double ? Double * Math.Abs(expected[i]) : tolerance, $"{name}[{i}]: {drawn[i]:R} and {expected[i]:R}");
    }

    private static long Seed(string text) => unchecked((long)ulong.Parse(text, CultureInfo.InvariantCulture));

    private static int Length(string shape) => shape.Split('x').Aggregate(1, (a, b) => a * int.Parse(b, CultureInfo.InvariantCulture));
}
