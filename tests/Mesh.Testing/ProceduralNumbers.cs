using System.Text;

namespace Mesh.Testing;

/// <summary>The golden data's weights from nothing but names and shapes, by the rule that its README gives; for tests of code that knows no tensors.</summary>
internal static class ProceduralNumbers
{
    private const double Unit = 1.0 / (1 << 24);
    private static readonly string[] NearOne = ["weight", ".g", "gamma", "running_var"];

    /// <summary>The values of a weight, row-major.</summary>
    /// <param name="variant">The case's set of numbers.</param>
    /// <param name="name">With its prefix.</param>
    /// <param name="shape">Its extents.</param>
    /// <param name="gain">A factor after rounding.</param>
    public static float[] Weight(string variant, string name, long[] shape, float gain)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        var hash = 0xCBF29CE484222325UL;
        foreach (var b in Encoding.UTF8.GetBytes($"{variant}/{name}")) hash = (hash ^ b) * 0x100000001B3UL;
        var near = shape.Length == 1 && NearOne.Any(x => name.EndsWith(x, StringComparison.Ordinal));
        var scale = shape.Length >= 2 ? Math.Sqrt(3.0 / shape.Skip(1).Aggregate(1.0, (a, b) => a * b)) : 0.125;
        for (var i = 0; i < values.Length; i++)
        {
            var x = (2 * Fraction(hash + (ulong)i)) - 1;
            values[i] = (float)((near ? 1 : 0) + (x * scale)) * gain;
        }
        return values;
    }

    private static double Fraction(ulong state)
    {
        var z = state + 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return ((z ^ (z >> 31)) >> 40) * Unit;
    }
}
