namespace Mesh.TorchSharp.Tests.Nn;

/// <summary>Layers as plain loops over doubles, for comparison. Tensors are flat, [N, C, H, W].</summary>
internal static class Reference
{
    internal sealed record Geometry(int Batch, int In, int Height, int Width, int Out, int Kernel, int Stride = 1, int Padding = 0, int Dilation = 1, int Groups = 1)
    {
        internal int OutHeight => (Height + 2 * Padding - Dilation * (Kernel - 1) - 1) / Stride + 1;
        internal int OutWidth => (Width + 2 * Padding - Dilation * (Kernel - 1) - 1) / Stride + 1;
    }

    internal static double[] Conv2d(double[] x, double[] w, double[]? bias, Geometry g)
    {
        var result = new double[g.Batch * g.Out * g.OutHeight * g.OutWidth];
        Walk(g, (to, from, weight, channel, first) => result[to] += x[from] * w[weight]);
        if (bias is null) return result;
        for (var i = 0; i < result.Length; i++) result[i] += bias[i / (g.OutHeight * g.OutWidth) % g.Out];
        return result;
    }

    /// <summary>The transpose of the convolution with the same geometry: from its output to its input.</summary>
    internal static double[] ConvTranspose2d(double[] y, double[] w, double[]? bias, Geometry g)
    {
        var result = new double[g.Batch * g.In * g.Height * g.Width];
        Walk(g, (to, from, weight, channel, first) => result[from] += y[to] * w[weight]);
        if (bias is null) return result;
        for (var i = 0; i < result.Length; i++) result[i] += bias[i / (g.Height * g.Width) % g.In];
        return result;
    }

    internal static double[] GroupNorm(double[] x, int batch, int channels, int pixels, int groups, double[] weight, double[] bias, double eps)
    {
        var result = new double[x.Length];
        var size = channels / groups * pixels;
        for (var g = 0; g < batch * groups; g++)
        {
            var part = x.AsSpan(g * size, size).ToArray();
            var mean = part.Average();
            var deviation = Math.Sqrt(part.Average(v => (v - mean) * (v - mean)) + eps);
            for (var i = 0; i < size; i++)
            {
                var channel = (g * size + i) / pixels % channels;
                result[g * size + i] = (part[i] - mean) / deviation * weight[channel] + bias[channel];
            }
        }
        return result;
    }

    /// <summary>Attention of one head: q [L, E], k [S, E], v [S, V].</summary>
    internal static double[] Attention(double[] q, double[] k, double[] v, int width, int valueWidth, Func<int, int, double> mask)
    {
        int rows = q.Length / width, columns = k.Length / width;
        var result = new double[rows * valueWidth];
        for (var i = 0; i < rows; i++)
        {
            var scores = Enumerable.Range(0, columns).Select(j => Dot(q, i * width, k, j * width, width) / Math.Sqrt(width) + mask(i, j)).ToArray();
            var largest = scores.Max();
            var weights = scores.Select(s => Math.Exp(s - largest)).ToArray();
            var sum = weights.Sum();
            for (var d = 0; d < valueWidth; d++)
                result[i * valueWidth + d] = Enumerable.Range(0, columns).Sum(j => weights[j] / sum * v[j * valueWidth + d]);
        }
        return result;
    }

    private static double Dot(double[] a, int atA, double[] b, int atB, int count) => Enumerable.Range(0, count).Sum(i => a[atA + i] * b[atB + i]);

    private static void Walk(Geometry g, Action<int, int, int, int, int> visit)
    {
        int inGroup = g.In / g.Groups, outGroup = g.Out / g.Groups;
        for (var n = 0; n < g.Batch; n++)
            for (var o = 0; o < g.Out; o++)
                for (var y = 0; y < g.OutHeight; y++)
                    for (var x = 0; x < g.OutWidth; x++)
                        for (var c = 0; c < inGroup; c++)
                            for (var k = 0; k < g.Kernel * g.Kernel; k++)
                            {
                                var row = y * g.Stride - g.Padding + k / g.Kernel * g.Dilation;
                                var column = x * g.Stride - g.Padding + k % g.Kernel * g.Dilation;
                                if (row < 0 || row >= g.Height || column < 0 || column >= g.Width) continue;
                                var channel = o / outGroup * inGroup + c;
                                visit(((n * g.Out + o) * g.OutHeight + y) * g.OutWidth + x, ((n * g.In + channel) * g.Height + row) * g.Width + column,
                                    (o * inGroup + c) * g.Kernel * g.Kernel + k, channel, n);
                            }
    }
}
