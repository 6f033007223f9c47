namespace Mesh.Imaging;

/// <summary>The filters of <see cref="Resampling"/>.</summary>
public enum ResampleFilter
{
    /// <summary>The mean of what a pixel covers.</summary>
    Box,

    /// <summary>A triangle.</summary>
    Bilinear,

    /// <summary>Cubic convolution with a = −0.5.</summary>
    Bicubic,

    /// <summary>A sinc within a sinc of three lobes.</summary>
    Lanczos,
}

/// <summary>Which of the two passes comes first, where that shows.</summary>
public enum PassOrder
{
    /// <summary>As Pillow from release 13 on: down the columns first where that saves much.</summary>
    Pillow13,

    /// <summary>As Pillow up to release 12: always along the rows first.</summary>
    BeforePillow13,
}

/// <summary>
/// Pillow's resizing, byte for byte: two passes, filters stretched where a picture shrinks, so that nothing is skipped.
/// </summary>
public static class Resampling
{
    private const int Precision = 22;

    /// <summary>Resizes a picture.</summary>
    public static Image Resize(Image image, int width, int height, ResampleFilter filter, PassOrder order = PassOrder.Pillow13)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        var pixels = image.Pixels;
        var (fromWidth, fromHeight) = (image.Width, image.Height);
        if (RowsFirst(fromWidth, fromHeight, width, height, order))
        {
            pixels = AlongRows(pixels, fromWidth, fromHeight, width, filter);
            pixels = DownColumns(pixels, width, fromHeight, height, filter);
        }
        else
        {
            pixels = DownColumns(pixels, fromWidth, fromHeight, height, filter);
            pixels = AlongRows(pixels, fromWidth, height, width, filter);
        }

        return new Image(width, height, ReferenceEquals(pixels, image.Pixels) ? pixels.AsSpan().ToArray() : pixels);
    }

    /// <summary>Resizes rows of float values as Pillow does its float images: weights and sums in double precision, each pass's result in single, nothing
    /// clipped.</summary>
    /// <param name="values">height x width x channels.</param>
    /// <param name="width">Columns of the source.</param>
    /// <param name="height">Rows of the source.</param>
    /// <param name="channels">Values of one pixel.</param>
    /// <param name="toWidth">Columns of the result.</param>
    /// <param name="toHeight">Rows of the result.</param>
    /// <param name="filter">The filter.</param>
    /// <param name="order">Which pass comes first.</param>
    public static float[] Resize(
        ReadOnlySpan<float> values, int width, int height, int channels, int toWidth, int toHeight, ResampleFilter filter, PassOrder order = PassOrder.Pillow13)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(toWidth);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(toHeight);
        if (width < 1 || height < 1 || channels < 1 || values.Length != (long)width * height * channels)
            throw new ArgumentException($"{values.Length} values for {width} x {height} x {channels}", nameof(values));
        var rowsFirst = RowsFirst(width, height, toWidth, toHeight, order);
        float[] result = values.ToArray();
        if (rowsFirst)
            result = Pass(result, height, width, channels, toWidth, filter);
        result = Pass(result, 1, height, (rowsFirst ? toWidth : width) * channels, toHeight, filter);
        return rowsFirst ? result : Pass(result, toHeight, width, channels, toWidth, filter);
    }

    private static bool RowsFirst(int width, int height, int toWidth, int toHeight, PassOrder order) =>
        order == PassOrder.BeforePillow13 || toHeight >= height || height - toHeight <= 2L * (width - toWidth);

    private static byte[] AlongRows(byte[] pixels, int width, int height, int toWidth, ResampleFilter filter) =>
        Pass(pixels, height, width, Image.Channels, toWidth, filter);

    private static byte[] DownColumns(byte[] pixels, int width, int height, int toHeight, ResampleFilter filter) =>
        Pass(pixels, 1, height, width * Image.Channels, toHeight, filter);

    /// <summary>Resizes the middle axis of [outer, length, inner].</summary>
    private static byte[] Pass(byte[] source, int outer, int length, int inner, int toLength, ResampleFilter filter)
    {
        if (length == toLength)
            return source;
        var weights = Weights.Of(length, toLength, filter);
        var result = new byte[checked(outer * toLength * inner)];
        var sums = new int[inner];
        for (var o = 0; o < outer; o++)
        {
            for (var i = 0; i < toLength; i++)
            {
                var (first, taps) = weights.Integers(i);
                Array.Fill(sums, 1 << (Precision - 1));
                for (var k = 0; k < taps.Length; k++)
                {
                    var tap = taps[k];
                    var line = source.AsSpan(((o * length) + first + k) * inner, inner);
                    for (var c = 0; c < line.Length; c++)
                        sums[c] += line[c] * tap;
                }

                var into = result.AsSpan(((o * toLength) + i) * inner, inner);
                for (var c = 0; c < into.Length; c++)
                    into[c] = (byte)Math.Clamp(sums[c] >> Precision, 0, 255);
            }
        }

        return result;
    }

    private static float[] Pass(float[] source, int outer, int length, int inner, int toLength, ResampleFilter filter)
    {
        if (length == toLength)
            return source;
        var weights = Weights.Of(length, toLength, filter);
        var result = new float[checked(outer * toLength * inner)];
        var sums = new double[inner];
        for (var o = 0; o < outer; o++)
        {
            for (var i = 0; i < toLength; i++)
            {
                var (first, taps) = weights.Numbers(i);
                Array.Clear(sums);
                for (var k = 0; k < taps.Length; k++)
                {
                    var tap = taps[k];
                    var line = source.AsSpan(((o * length) + first + k) * inner, inner);
                    for (var c = 0; c < line.Length; c++)
                        sums[c] += line[c] * tap;
                }

                var into = result.AsSpan(((o * toLength) + i) * inner, inner);
                for (var c = 0; c < into.Length; c++)
                    into[c] = (float)sums[c];
            }
        }

        return result;
    }

    /// <summary>For each place of the result, where its window begins and the weights in it.</summary>
    private sealed class Weights
    {
        private readonly int[] _first;
        private readonly double[][] _numbers;
        private readonly int[]?[] _integers;

        private Weights(int count) => (_first, _numbers, _integers) = (new int[count], new double[count][], new int[count][]);

        public static Weights Of(int from, int to, ResampleFilter filter)
        {
            var weights = new Weights(to);
            var scale = (double)from / to;
            var stretch = Math.Max(scale, 1);
            var support = Support(filter) * stretch;
            for (var i = 0; i < to; i++)
            {
                var centre = (i + 0.5) * scale;
                var low = Math.Max(0, (int)(centre - support + 0.5));
                var high = Math.Min(from, (int)(centre + support + 0.5));
                var taps = new double[high - low];
                var sum = 0.0;
                for (var k = 0; k < taps.Length; k++)
                    sum += taps[k] = Value(filter, (k + low - centre + 0.5) * (1 / stretch));
                for (var k = 0; k < taps.Length && sum != 0; k++)
                    taps[k] /= sum;
                weights._first[i] = low;
                weights._numbers[i] = taps;
            }

            return weights;
        }

        public (int First, double[] Taps) Numbers(int at) => (_first[at], _numbers[at]);

        public (int First, int[] Taps) Integers(int at) =>
            (_first[at], _integers[at] ??= [.. _numbers[at].Select(w => (int)((w * (1 << Precision)) + (w < 0 ? -0.5 : 0.5)))]);

        private static double Support(ResampleFilter filter) => filter switch
        {
            ResampleFilter.Box => 0.5,
            ResampleFilter.Bilinear => 1,
            ResampleFilter.Bicubic => 2,
            _ => 3,
        };

        private static double Value(ResampleFilter filter, double at)
        {
            const double A = -0.5;
            var x = Math.Abs(at);
            return filter switch
            {
                ResampleFilter.Box => at is > -0.5 and <= 0.5 ? 1 : 0,
                ResampleFilter.Bilinear => x < 1 ? 1 - x : 0,
                ResampleFilter.Bicubic when x < 1 => ((((A + 2) * x) - (A + 3)) * x * x) + 1,
                ResampleFilter.Bicubic => x < 2 ? (((((x - 5) * x) + 8) * x) - 4) * A : 0,
                _ => at is >= -3 and < 3 ? Sinc(at) * Sinc(at / 3) : 0,
            };
        }

        private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(x * Math.PI) / (x * Math.PI);
    }
}
