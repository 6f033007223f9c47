using System.Globalization;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify;

/// <summary>How strictly a result is compared: the smallest relative error that is ever asked for.</summary>
public enum CheckKind
{
    /// <summary>One layer: 1e-5.</summary>
    Layer,

    /// <summary>A network or a pipeline: 1e-4.</summary>
    Network,
}

/// <summary>One comparison.</summary>
/// <param name="What">What was compared, mostly a tensor's name.</param>
/// <param name="Error">max|a-b| / max|b|, or a count of differences where that is what is compared; NaN where nothing could be compared.</param>
/// <param name="Tolerance">The largest error that passes.</param>
/// <param name="Ok">Whether it passes.</param>
/// <param name="Note">What a reader should know besides, mostly why it failed.</param>
public sealed record Check(string What, double Error, double Tolerance, bool Ok, string? Note = null)
{
    private const double LayerFloor = 1e-5;
    private const double NetworkFloor = 1e-4;
    private const double FloorFactor = 10;
    private const double BFloat16Tolerance = 0.03;

    /// <summary>A fact that holds or does not.</summary>
    public static Check That(string what, bool ok, string? note = null) => new(what, ok ? 0 : 1, 0, ok, ok ? null : note);

    /// <summary>A case that could not be computed.</summary>
    public static Check Failure(string what, string note) => new(what, double.NaN, 0, false, note);

    /// <summary>A count of differences against the largest that passes.</summary>
    public static Check Count(string what, long differences, long allowed = 0, string? note = null) =>
        new(what, differences, allowed, differences <= allowed, note);

    /// <summary>Numbers that do not stand in the safetensors file but in the json.</summary>
    public static Check Numbers(string what, IReadOnlyList<double> actual, IReadOnlyList<double> expected, double tolerance)
    {
        if (actual.Count != expected.Count)
            return Failure(what, $"{actual.Count} values where {expected.Count} are expected");
        var scale = expected.Count == 0 ? 0 : expected.Max(Math.Abs);
        var difference = actual.Zip(expected, (a, b) => Math.Abs(a - b)).DefaultIfEmpty(0).Max();
        return Judge(what, difference, scale, tolerance);
    }

    /// <summary>The tolerance for a result whose noise floor is <paramref name="noise"/>: ten times that, or the project's own, whichever is larger.</summary>
    public static double Allowed(double? noise, CheckKind kind) =>
        Math.Max(FloorFactor * (noise ?? 0), kind == CheckKind.Layer ? LayerFloor : NetworkFloor);

    /// <summary>
    /// Compares tensors. Floats by max|a-b| / max|b| in double precision; integers and booleans exactly (the error is the number of elements that
    /// differ). Results computed in bfloat16 are compared with fp32 goldens by their root mean square, against 3 %.
    /// </summary>
    public static Check Tensors(string what, Tensor actual, Tensor expected, double tolerance, bool bfloat = false)
    {
        if (!actual.shape.SequenceEqual(expected.shape))
            return Failure(what, $"shape [{string.Join(",", actual.shape)}] where [{string.Join(",", expected.shape)}] is expected");
        using var scope = NewDisposeScope();
        if (!expected.is_floating_point())
        {
            if (actual.is_floating_point())
                return Failure(what, $"{actual.dtype} where {expected.dtype} is expected");
            var differing = actual.to(ScalarType.Int64).ne(expected.to(ScalarType.Int64)).sum().item<long>();
            return Count(what, differing);
        }

        var a = actual.detach().to(ScalarType.Float64);
        var b = expected.to(ScalarType.Float64);
        if (a.numel() == 0)
            return new Check(what, 0, tolerance, true);
        if (bfloat || actual.dtype == ScalarType.BFloat16)
        {
            var rms = (a - b).square().mean().sqrt().item<double>() / b.square().mean().sqrt().item<double>();
            return new Check(what, rms, BFloat16Tolerance, rms <= BFloat16Tolerance, "bf16, root mean square");
        }

        return Judge(what, (a - b).abs().max().item<double>(), b.abs().max().item<double>(), tolerance);
    }

    /// <summary>Bytes that may differ by <paramref name="largest"/> units in <paramref name="count"/> places at most.</summary>
    public static Check Bytes(string what, Tensor actual, Tensor expected, int largest, long count)
    {
        if (!actual.shape.SequenceEqual(expected.shape))
            return Failure(what, $"shape [{string.Join(",", actual.shape)}] where [{string.Join(",", expected.shape)}] is expected");
        using var scope = NewDisposeScope();
        var difference = (actual.to(ScalarType.Int64) - expected.to(ScalarType.Int64)).abs();
        var most = difference.max().item<long>();
        var places = difference.ne(0).sum().item<long>();
        return new Check(what, most, largest, most <= largest && places <= count, string.Create(CultureInfo.InvariantCulture, $"{places} of {actual.numel()} bytes differ"));
    }

    private static Check Judge(string what, double difference, double scale, double tolerance)
    {
        // An expected tensor of zeros has no scale of its own: then the difference itself counts.
        var error = scale == 0 ? difference : difference / scale;
        return new Check(what, error, tolerance, error <= tolerance, double.IsNaN(error) ? "not a number" : null);
    }
}
