using TorchSharp;

namespace Mesh.TorchSharp.Tests.Nn;

using Tensor = global::TorchSharp.torch.Tensor;

/// <summary>Tensors of known values, and ways to compare them.</summary>
internal static class Numbers
{
    /// <summary>Values between -1 and 1 that follow from the seed alone and do not repeat.</summary>
    internal static double[] Wave(int count, double seed = 0) => Enumerable.Range(0, count).Select(i => Math.Sin(1.7 * i + 0.3 * i * i % 5 + seed)).ToArray();

    internal static Tensor Wave(long[] shape, double seed = 0, torch.ScalarType type = torch.ScalarType.Float32)
    {
        using var values = torch.tensor(Wave((int)shape.Aggregate(1L, (a, b) => a * b), seed), torch.ScalarType.Float64);
        using var shaped = values.reshape(shape);
        return shaped.to(type, copy: true);
    }

    internal static double[] Values(Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().to(torch.ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    internal static void ShouldBeClose(this Tensor tensor, double[] expected, double tolerance = 1e-5)
    {
        var actual = Values(tensor);
        actual.Length.ShouldBe(expected.Length);
        for (var i = 0; i < actual.Length; i++)
            if (!(Math.Abs(actual[i] - expected[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])))) actual[i].ShouldBe(expected[i], tolerance, $"element {i}");
    }

    internal static void ShouldBeClose(this Tensor tensor, Tensor expected, double tolerance = 1e-5)
    {
        tensor.shape.ShouldBe(expected.shape);
        tensor.ShouldBeClose(Values(expected), tolerance);
    }

    internal static double[] Map(IEnumerable<double> values, Func<double, double> function) => values.Select(function).ToArray();

    /// <summary>
    /// Compares autograd's gradients of sum(f(inputs) * w), w a fixed wave, with central differences; inputs are of doubles.
    /// </summary>
    internal static void GradientsShouldMatch(Func<Tensor[], Tensor> function, params Tensor[] inputs)
    {
        double Loss()
        {
            using var none = torch.no_grad();
            using var scope = torch.NewDisposeScope();
            var y = function(inputs);
            return (y * Wave(y.shape, 0.5, torch.ScalarType.Float64)).sum().item<double>();
        }

        foreach (var input in inputs) input.requires_grad_(true);
        using (torch.NewDisposeScope())
        {
            var y = function(inputs);
            (y * Wave(y.shape, 0.5, torch.ScalarType.Float64)).sum().backward();
        }
        const double Step = 1e-5;
        foreach (var input in inputs)
        {
            var gradient = Values(input.grad.ShouldNotBeNull());
            var values = Values(input);
            for (var i = 0; i < values.Length; i++)
            {
                var up = WithElement(input, values, i, values[i] + Step, Loss);
                var down = WithElement(input, values, i, values[i] - Step, Loss);
                gradient[i].ShouldBe((up - down) / (2 * Step), 1e-6 * Math.Max(1, Math.Abs(gradient[i])), $"element {i}");
            }
        }
    }

    private static double WithElement(Tensor input, double[] values, int index, double value, Func<double> loss)
    {
        void Set(double[] all)
        {
            using var none = torch.no_grad();
            using var scope = torch.NewDisposeScope();
            input.copy_(torch.tensor(all, torch.ScalarType.Float64).reshape(input.shape));
        }

        var changed = (double[])values.Clone();
        changed[index] = value;
        Set(changed);
        var result = loss();
        Set(values);
        return result;
    }
}
