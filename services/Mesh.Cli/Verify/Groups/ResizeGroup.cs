using System.Globalization;
using System.Text.RegularExpressions;
using Mesh.Imaging;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Pictures that Pillow resized, as bytes and as floats, and tensors that PyTorch interpolated.</summary>
public sealed partial class ResizeGroup : IGoldenGroup
{
    private const double Factor = 10;
    private const double Range = 255;

    /// <inheritdoc/>
    public string Name => "resize";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("order of passes", "algorithm", "results at 0 or 255");
        foreach (var name in golden.TensorNames.Where(n => n.StartsWith("out", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToArray())
        {
            if (PillowName().Match(name) is { Success: true } pillow)
                yield return Pillow(golden, name, pillow);
            else if (InterpolateName().Match(name) is { Success: true } interpolate)
                yield return Interpolate(golden, name, interpolate);
            else
                yield return More(golden, name);
        }
    }

    private static Check Pillow(GoldenCase golden, string name, Match match)
    {
        var filter = Enum.TryParse<ResampleFilter>(match.Groups["filter"].Value, ignoreCase: true, out var known)
            ? known
            : throw new FormatException($"{name}: the filter is not known");
        var order = match.Groups["old"].Success ? PassOrder.BeforePillow13 : PassOrder.Pillow13;
        var (fromHeight, fromWidth, height, width) = (Number(match, "h"), Number(match, "w"), Number(match, "toh"), Number(match, "tow"));
        using var scope = NewDisposeScope();
        using var source = golden.Read($"in.{fromHeight}x{fromWidth}");
        var bytes = source.data<byte>().ToArray();
        using var expected = golden.Read(name);
        if (expected.dtype == ScalarType.Byte)
        {
            var resized = Resampling.Resize(new Image(fromWidth, fromHeight, bytes), width, height, filter, order);
            return Check.Tensors(name, tensor(resized.Pixels, [height, width, Image.Channels]), expected, 0);
        }

        // Floats are stored by every second row and every third column, clipped to bytes' range.
        var floats = Resampling.Resize(bytes.Select(b => (float)b).ToArray(), fromWidth, fromHeight, Image.Channels, width, height, filter, order);
        var sampled = tensor(floats, [height, width, Image.Channels]).slice(0, 0, height, 2).slice(1, 0, width, 3).clamp(0, Range);
        var error = sampled.sub(expected).abs().max().item<float>() / Range;
        var allowed = Math.Max(1e-6, Factor * (golden.NoiseFloor ?? 0));
        return sampled.shape.SequenceEqual(expected.shape)
            ? new Check(name, error, allowed, error <= allowed)
            : Check.Failure(name, $"shape [{string.Join(",", sampled.shape)}]");
    }

    private static Check Interpolate(GoldenCase golden, string name, Match match)
    {
        using var scope = NewDisposeScope();
        var source = golden.Input($"in.{match.Groups["h"].Value}x{match.Groups["w"].Value}");
        var result = F.interpolate(
            source,
            size: [Number(match, "toh"), Number(match, "tow")],
            mode: match.Groups["mode"].Value == "bilinear" ? InterpolationMode.Bilinear : InterpolationMode.Bicubic,
            align_corners: false,
            antialias: match.Groups["kind"].Value == "antialias");
        return golden.Compare(name, result, CheckKind.Layer);
    }

    private static Check More(GoldenCase golden, string name)
    {
        using var scope = NewDisposeScope();
        var image = golden.Input("in.image");
        var parts = name["out.".Length..].Split('.', 2);
        var size = parts.Length == 2 && SizeName().Match(parts[1]) is { Success: true } m ? new long[] { Number(m, "h"), Number(m, "w") } : null;
        var result = (parts[0], size) switch
        {
            ("nearest", not null) => F.interpolate(image, size: size, mode: InterpolationMode.Nearest),
            ("area", not null) => F.interpolate(image, size: size, mode: InterpolationMode.Area),
            ("avg_pool2", null) => F.avg_pool2d(image, 2),
            ("nearest" or "bilinear", null) => Scaled(image, parts[0] == "nearest" ? InterpolationMode.Nearest : InterpolationMode.Bilinear, parts[1]),
            _ => throw new FormatException($"{name} is not known"),
        };
        return golden.Compare(name, result, CheckKind.Layer);
    }

    private static Tensor Scaled(Tensor image, InterpolationMode mode, string how)
    {
        var recomputed = how.EndsWith(".recomputed", StringComparison.Ordinal);
        var factor = double.Parse((recomputed ? how[..^".recomputed".Length] : how).TrimStart('x'), CultureInfo.InvariantCulture);
        bool? corners = mode == InterpolationMode.Nearest ? null : false;
        return F.interpolate(image, scale_factor: [factor, factor], mode: mode, align_corners: corners, recompute_scale_factor: recomputed);
    }

    private static int Number(Match match, string group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^out(?<old>_before_13)?\.(?<filter>[a-z]+)\.(?<h>\d+)x(?<w>\d+)_to_(?<toh>\d+)x(?<tow>\d+)$")]
    private static partial Regex PillowName();

    [GeneratedRegex(@"^out\.(?<mode>bilinear|bicubic)\.(?<kind>antialias|plain)\.(?<h>\d+)x(?<w>\d+)_to_(?<toh>\d+)x(?<tow>\d+)$")]
    private static partial Regex InterpolateName();

    [GeneratedRegex(@"^(?<h>\d+)x(?<w>\d+)$")]
    private static partial Regex SizeName();
}
