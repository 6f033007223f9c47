using TorchSharp;

namespace Mesh.TorchSharp.Tests.Tensor;

/// <summary>Compares tensors with numbers computed elsewhere.</summary>
internal static class Check
{
    /// <summary>Every element within <paramref name="tolerance"/> (absolute, and relative to numbers above one) of what is expected.</summary>
    internal static void ShouldBeClose(this torch.Tensor actual, IReadOnlyList<double> expected, double tolerance = 1e-12)
    {
        var values = actual.Numbers();
        values.Length.ShouldBe(expected.Count);
        for (var i = 0; i < values.Length; i++)
        {
            if (double.IsNaN(expected[i])) double.IsNaN(values[i]).ShouldBeTrue($"element {i}");
            else if (double.IsInfinity(expected[i])) values[i].ShouldBe(expected[i], $"element {i}");
            else Math.Abs(values[i] - expected[i]).ShouldBeLessThanOrEqualTo(tolerance * Math.Max(1, Math.Abs(expected[i])), $"element {i}: {values[i]} for {expected[i]}");
        }
    }

    internal static void ShouldHaveShape(this torch.Tensor actual, params long[] shape) => actual.shape.ShouldBe(shape);

    /// <summary>All elements in order, as doubles.</summary>
    internal static double[] Numbers(this torch.Tensor tensor)
    {
        using var plain = tensor.detach();
        using var numbers = plain.to(torch.float64);
        return numbers.data<double>().ToArray();
    }

    internal static torch.Tensor Doubles(params double[] values) => torch.tensor(values);

    /// <summary>A tensor of 1, 2, 3, ... in double precision.</summary>
    internal static torch.Tensor Counting(params long[] shape)
    {
        var count = shape.Aggregate(1L, (product, length) => product * length);
        using var flat = torch.arange(1, count + 1, dtype: torch.float64);
        return flat.reshape(shape);
    }
}
