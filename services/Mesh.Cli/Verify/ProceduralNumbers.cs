using System.Runtime.InteropServices;
using System.Text;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify;

/// <summary>
/// The golden data's own generator: numbers that follow from a variant and a name alone. Element i of a stream is the upper 24 bits of
/// splitmix64(FNV-1a(variant/name) + i), as a fraction of 2^24.
/// </summary>
/// <param name="Variant">The set of numbers; a case states its own.</param>
public sealed record ProceduralNumbers(string Variant)
{
    private const double Unit = 1.0 / (1 << 24);
    private const int Block = 1 << 18;
    private static readonly string[] NearOne = ["weight", ".g", "gamma", "running_var"];

    /// <summary>Element <paramref name="index"/> of the stream <paramref name="name"/>, in [0, 1).</summary>
    public double Uniform(string name, long index) => Fraction(Hash($"{Variant}/{name}") + (ulong)index);

    /// <summary>The values of a weight of this name and shape, scaled by its fan-in, times <paramref name="gain"/>. Float32.</summary>
    public Tensor Weight(string name, long[] shape, float gain = 1)
    {
        var result = empty(shape, ScalarType.Float32);
        Fill(name, result, gain);
        return result;
    }

    /// <summary>Writes what <see cref="Weight"/> returns into a contiguous float32 tensor on the CPU.</summary>
    public void Fill(string name, Tensor result, float gain = 1)
    {
        var shape = result.shape;
        var count = result.numel();
        if (count == 0)
            return;
        var (scale, offset) = Rule(name, shape);
        var seed = Hash($"{Variant}/{name}");
        Parallel.For(0, (int)((count + Block - 1) / Block), block =>
        {
            var begin = (long)block * Block;
            var length = (int)Math.Min(Block, count - begin);
            // A span cannot be captured, so each block asks for its own.
            var target = MemoryMarshal.Cast<byte, float>(result.bytes).Slice((int)begin, length);
            for (var i = 0; i < length; i++)
            {
                var x = (2.0 * Fraction(seed + (ulong)(begin + i))) - 1.0;
                target[i] = (float)(offset + (x * scale)) * gain;
            }
        });
    }

    /// <summary>Near-normal inputs: sums of twelve uniforms, minus six. Float32.</summary>
    public Tensor Noise(string name, params long[] shape) => Draw(shape, "input/" + name, static (seed, i) =>
    {
        // numpy adds twelve numbers of a row pairwise in eights; in double precision the order moves nothing that a float32 shows.
        var sum = 0.0;
        for (var k = 0UL; k < 12; k++)
            sum += Fraction(seed + (12UL * i) + k);
        return sum - 6.0;
    });

    /// <summary>Uniform inputs in [<paramref name="low"/>, <paramref name="high"/>). Float32.</summary>
    public Tensor Uniforms(string name, double low, double high, params long[] shape) =>
        Draw(shape, "input/" + name, (seed, i) => low + ((high - low) * Fraction(seed + i)));

    /// <summary>Integer inputs in [<paramref name="low"/>, <paramref name="high"/>). Int64.</summary>
    public Tensor Integers(string name, long low, long high, params long[] shape)
    {
        var count = shape.Aggregate(1L, (a, b) => a * b);
        var seed = Hash($"{Variant}/input/{name}");
        var values = new long[count];
        for (var i = 0L; i < count; i++)
            values[i] = (long)Math.Floor(low + ((high - low) * Fraction(seed + (ulong)i)));
        return tensor(values, ScalarType.Int64).reshape(shape);
    }

    private Tensor Draw(long[] shape, string name, Func<ulong, ulong, double> value)
    {
        var count = shape.Aggregate(1L, (a, b) => a * b);
        var seed = Hash($"{Variant}/{name}");
        var values = new float[count];
        for (var i = 0L; i < count; i++)
            values[i] = (float)value(seed, (ulong)i);
        return tensor(values, ScalarType.Float32).reshape(shape);
    }

    private static (double Scale, double Offset) Rule(string name, long[] shape)
    {
        if (shape.Length >= 2)
            return (Math.Sqrt(3.0 / shape.Skip(1).Aggregate(1.0, (a, b) => a * b)), 0);
        if (shape.Length == 1 && NearOne.Any(end => name.EndsWith(end, StringComparison.Ordinal)))
            return (1.0 / 8, 1);
        return (1.0 / 8, 0);
    }

    private static ulong Hash(string text)
    {
        var h = 0xCBF29CE484222325UL;
        foreach (var b in Encoding.UTF8.GetBytes(text))
            h = (h ^ b) * 0x100000001B3UL;
        return h;
    }

    private static double Fraction(ulong state)
    {
        var z = state + 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        z ^= z >> 31;
        return (z >> 40) * Unit;
    }
}
