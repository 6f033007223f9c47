using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Perception;

/// <summary>One random transformation a sample, the same for every tensor of a shape that it is applied to. Differentiable.</summary>
public sealed class LatentAugmentation
{
    private const double ShiftSpread = 0.125;
    private const double ScaleSpread = 0.2;
    private const double CutoutSide = 0.5;
    private const int FilterPad = 3;
    private const Augmentations Geometric = Augmentations.XFlip | Augmentations.Rotate90 | Augmentations.XInt | Augmentations.Scale | Augmentations.Rotate
        | Augmentations.Aniso | Augmentations.XFrac;

    private readonly AugmentationDraws _draws;
    private readonly int _height;
    private readonly int _width;
    private readonly PlaneMatrix[] _inverse;

    /// <summary>The transformation of some draws for maps of a size.</summary>
    public LatentAugmentation(AugmentationDraws draws, int height, int width)
    {
        ArgumentNullException.ThrowIfNull(draws);
        (_draws, _height, _width) = (draws, height, width);
        _inverse = [.. Enumerable.Range(0, draws.Count).Select(Inverse)];
        Padding = Margins();
    }

    /// <summary>Reflected places that are added left, right, above and below before maps are moved.</summary>
    public IReadOnlyList<int> Padding { get; }

    /// <summary>From a place of the result to the place of the source, in places from the centre: [count, 3, 3], before padding.</summary>
    public Tensor InverseMatrices() =>
        tensor(_inverse.SelectMany(m => new[] { (float)m.A, (float)m.B, (float)m.Tx, (float)m.C, (float)m.D, (float)m.Ty, 0, 0, 1 }).ToArray()).reshape(-1, 3, 3);

    /// <summary>Transforms a batch.</summary>
    /// <param name="maps">[count, C, H, W].</param>
    public Tensor Apply(Tensor maps)
    {
        if (maps.shape[0] != _draws.Count || maps.shape[2] != _height || maps.shape[3] != _width)
            throw new ArgumentException($"maps of [{string.Join(",", maps.shape)}] for {_draws.Count} samples of {_height} x {_width}", nameof(maps));
        using var scope = NewDisposeScope();
        var x = (_draws.Of & Geometric) == 0 ? maps : Move(maps);
        if (_draws.Has(Augmentations.Brightness))
            x = x + Column("brightness", r => r - 0.5f, x);
        if (_draws.Has(Augmentations.Contrast))
            x = Spread(x, x.mean([1, 2, 3], keepdim: true), Column("contrast", r => r + 0.5f, x));
        if (_draws.Has(Augmentations.Saturation) && x.shape[1] > 1)
            x = Spread(x, x.mean([1], keepdim: true), Column("saturation", r => 2 * r, x));
        if (_draws.Has(Augmentations.Cutout))
            x = x * Mask().to(x.dtype).to(x.device);
        return (ReferenceEquals(x, maps) ? maps.alias() : x).MoveToOuterDisposeScope();
    }

    private static Tensor Spread(Tensor x, Tensor mean, Tensor factor) => ((x - mean) * factor) + mean;

    private Tensor Column(string name, Func<float, float> change, Tensor like) =>
        tensor(_draws[name].Select(change).ToArray()).reshape(-1, 1, 1, 1).to(like.dtype).to(like.device);

    private PlaneMatrix Inverse(int i)
    {
        var m = PlaneMatrix.Identity;
        if (_draws.Has(Augmentations.XFlip))
            m = m.Times(PlaneMatrix.Scaling(1.0 / (1 - (2 * MathF.Floor(_draws["xflip"][i] * 2))), 1));
        if (_draws.Has(Augmentations.Rotate90))
            m = m.Times(PlaneMatrix.Rotation(Math.PI / 2 * MathF.Floor(_draws["rotate90"][i] * 4)));
        if (_draws.Has(Augmentations.XInt))
            m = m.Times(PlaneMatrix.Shift(-MathF.Round(Whole(2 * i) * _width), -MathF.Round(Whole((2 * i) + 1) * _height)));
        if (_draws.Has(Augmentations.Scale))
        {
            var s = Math.Pow(2, ScaleSpread * _draws["scale"][i]);
            m = m.Times(PlaneMatrix.Scaling(1 / s, 1 / s));
        }

        if (_draws.Has(Augmentations.Rotate))
            m = m.Times(PlaneMatrix.Rotation(Angle("rotate.pre", i)));
        if (_draws.Has(Augmentations.Aniso))
        {
            var s = Math.Pow(2, ScaleSpread * _draws["aniso"][i]);
            m = m.Times(PlaneMatrix.Scaling(1 / s, s));
        }

        if (_draws.Has(Augmentations.Rotate))
            m = m.Times(PlaneMatrix.Rotation(Angle("rotate.post", i)));
        if (_draws.Has(Augmentations.XFrac))
            m = m.Times(PlaneMatrix.Shift(-_draws["xfrac"][2 * i] * ShiftSpread * _width, -_draws["xfrac"][(2 * i) + 1] * ShiftSpread * _height));
        return m;
    }

    // In single precision as the reference, so that halves round alike.
    private float Whole(int at) => ((_draws["xint"][at] * 2) - 1) * (float)ShiftSpread;

    private double Angle(string name, int i) => ((2.0 * _draws[name][i]) - 1) * Math.PI;

    /// <summary>How far the corners of the results reach beyond the source, in the worst sample, and the filter's own reach.</summary>
    private int[] Margins()
    {
        var (cx, cy) = ((_width - 1) / 2.0, (_height - 1) / 2.0);
        double left = double.MinValue, top = double.MinValue, right = double.MinValue, bottom = double.MinValue;
        foreach (var matrix in _inverse)
        {
            foreach (var (x, y) in new[] { (-cx, -cy), (cx, -cy), (cx, cy), (-cx, cy) })
            {
                var (u, v) = matrix.Map(x, y);
                (left, top) = (Math.Max(left, -u), Math.Max(top, -v));
                (right, bottom) = (Math.Max(right, u), Math.Max(bottom, v));
            }
        }

        int Margin(double reach, double centre, int length) =>
            (int)Math.Ceiling(Math.Clamp((float)(reach + (2 * FilterPad) - centre), 0, length - 1));
        return [Margin(left, cx, _width), Margin(right, cx, _width), Margin(top, cy, _height), Margin(bottom, cy, _height)];
    }

    private Tensor Move(Tensor maps)
    {
        using var scope = NewDisposeScope();

        // 1. Room around, mirrored.
        var (left, right, top, bottom) = (Padding[0], Padding[1], Padding[2], Padding[3]);
        var x = F.pad(maps, ((long)left, (long)right, (long)top, (long)bottom), PaddingModes.Reflect);
        var shift = PlaneMatrix.Shift((left - right) / 2.0, (top - bottom) / 2.0);

        // 2. Twice the size, so that moving blurs less.
        x = WaveletResampling.Twice(x);
        var (sourceWidth, sourceHeight) = ((double)x.shape[3], (double)x.shape[2]);
        int width = (_width + (2 * FilterPad)) * 2, height = (_height + (2 * FilterPad)) * 2;

        // 3. Moving.
        var theta = _inverse.Select(m => shift.Times(m))
            .Select(m => PlaneMatrix.Scaling(2, 2).Times(m).Times(PlaneMatrix.Scaling(0.5, 0.5)))
            .Select(m => PlaneMatrix.Shift(-0.5, -0.5).Times(m).Times(PlaneMatrix.Shift(0.5, 0.5)))
            .Select(m => PlaneMatrix.Scaling(2 / sourceWidth, 2 / sourceHeight).Times(m).Times(PlaneMatrix.Scaling(width / 2.0, height / 2.0)))
            .SelectMany(m => new[] { m.A, m.B, m.Tx, m.C, m.D, m.Ty }).ToArray();
        var grid = F.affine_grid(tensor(theta).reshape(-1, 2, 3).to(x.dtype).to(x.device), [x.shape[0], x.shape[1], height, width], align_corners: false);
        x = F.grid_sample(x, grid, GridSampleMode.Bilinear, GridSamplePaddingMode.Zeros, align_corners: false);

        // 4. And back to the size.
        return WaveletResampling.Halve(x, -2 * FilterPad, correlate: true).MoveToOuterDisposeScope(); // [B, C, H, W]
    }

    private Tensor Mask()
    {
        var mask = new float[_draws.Count * _height * _width];
        var centres = _draws["cutout.centre"];
        for (var i = 0; i < _draws.Count; i++)
        {
            for (var y = 0; y < _height; y++)
            {
                for (var x = 0; x < _width; x++)
                {
                    var outside = MathF.Abs(((x + 0.5f) / _width) - centres[2 * i]) >= CutoutSide / 2
                        || MathF.Abs(((y + 0.5f) / _height) - centres[(2 * i) + 1]) >= CutoutSide / 2;
                    mask[(((i * _height) + y) * _width) + x] = outside ? 1 : 0;
                }
            }
        }

        return tensor(mask).reshape(_draws.Count, 1, _height, _width);
    }
}
