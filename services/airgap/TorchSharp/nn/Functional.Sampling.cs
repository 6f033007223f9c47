namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            /// <summary>
            /// Resizes the dimensions after the second, to <paramref name="size"/> or by <paramref name="scale_factor"/> (one for all, or one a dimension).
            /// </summary>
            public static Tensor interpolate(Tensor x, long[]? size = null, double[]? scale_factor = null, InterpolationMode mode = InterpolationMode.Nearest,
                bool? align_corners = null, bool recompute_scale_factor = false, bool antialias = false)
            {
                var spatial = (int)x.Dimensions - 2;
                if ((size is null) == (scale_factor is null)) throw new ArgumentException("Either a size or a scale factor is needed, and not both.");
                if (align_corners == true && mode is InterpolationMode.Nearest or InterpolationMode.Area or InterpolationMode.NearestExact)
                    throw new ArgumentException($"align_corners does not go with {mode}.", nameof(align_corners));
                if (size is { Length: 1 } && spatial > 1) size = Enumerable.Repeat(size[0], spatial).ToArray();
                if (scale_factor is { Length: 1 } && spatial > 1) scale_factor = Enumerable.Repeat(scale_factor[0], spatial).ToArray();
                if ((size?.Length ?? scale_factor!.Length) != spatial)
                    throw new ArgumentException($"A tensor of {x.Dimensions} dimensions has {spatial} to resize, but {size?.Length ?? scale_factor!.Length} were given.");
                if (scale_factor is not null && (recompute_scale_factor || mode == InterpolationMode.Area))
                {
                    size = scale_factor.Select((f, i) => (long)Math.Floor(x.shape[i + 2] * f)).ToArray();
                    scale_factor = null;
                }
                return Resize(x, spatial, size, scale_factor, mode, align_corners ?? false, antialias);
            }

            public static Tensor upsample(Tensor input, long[]? size = null, double[]? scale_factor = null, UpsampleMode mode = UpsampleMode.Nearest,
                bool align_corners = false) =>
                interpolate(input, size, scale_factor, (InterpolationMode)mode, mode == UpsampleMode.Nearest ? null : align_corners);

            public static Tensor upsample_nearest(Tensor x, long[]? size = null, double[]? scale_factor = null, bool align_corners = false) =>
                interpolate(x, size, scale_factor, InterpolationMode.Nearest);

            public static Tensor upsample_bilinear(Tensor x, long[]? size = null, double[]? scale_factor = null, bool align_corners = false) =>
                interpolate(x, size, scale_factor, InterpolationMode.Bilinear, align_corners);

            public static Tensor grid_sample(Tensor input, Tensor grid, GridSampleMode mode = GridSampleMode.Bilinear,
                GridSamplePaddingMode padding_mode = GridSamplePaddingMode.Zeros, bool? align_corners = null)
            {
                var interpolation = mode == GridSampleMode.Nearest ? 1L : 0L;
                var padding = padding_mode switch
                {
                    GridSamplePaddingMode.Zeros => 0L,
                    GridSamplePaddingMode.Border => 1L,
                    GridSamplePaddingMode.Reflection => 2L,
                    _ => throw new ArgumentOutOfRangeException(nameof(padding_mode)),
                };
                return Op.Call("grid_sampler", input, grid, interpolation, padding, align_corners ?? false);
            }

            public static Tensor affine_grid(Tensor theta, long[]? size = null, bool align_corners = false)
            {
                ArgumentNullException.ThrowIfNull(size);
                return Op.Call("affine_grid_generator", theta, size, align_corners);
            }

            private static Tensor Resize(Tensor x, int spatial, long[]? size, double[]? scale, InterpolationMode mode, bool corners, bool antialias)
            {
                if (antialias && (spatial != 2 || mode is not (InterpolationMode.Bilinear or InterpolationMode.Bicubic)))
                    throw new ArgumentException("Anti-aliasing goes with bilinear and bicubic resizing of images only.", nameof(antialias));
                return (mode, spatial) switch
                {
                    (InterpolationMode.Nearest, 1) => Op.Call("upsample_nearest1d.vec", x, size, scale),
                    (InterpolationMode.Nearest, 2) => Op.Call("upsample_nearest2d.vec", x, size, scale),
                    (InterpolationMode.Nearest, 3) => Op.Call("upsample_nearest3d.vec", x, size, scale),
                    (InterpolationMode.NearestExact, 1) => Op.Call("_upsample_nearest_exact1d.vec", x, size, scale),
                    (InterpolationMode.NearestExact, 2) => Op.Call("_upsample_nearest_exact2d.vec", x, size, scale),
                    (InterpolationMode.NearestExact, 3) => Op.Call("_upsample_nearest_exact3d.vec", x, size, scale),
                    (InterpolationMode.Linear, 1) => Op.Call("upsample_linear1d.vec", x, size, corners, scale),
                    (InterpolationMode.Bilinear, 2) when antialias => Op.Call("_upsample_bilinear2d_aa.vec", x, size, corners, scale),
                    (InterpolationMode.Bilinear, 2) => Op.Call("upsample_bilinear2d.vec", x, size, corners, scale),
                    (InterpolationMode.Bicubic, 2) when antialias => Op.Call("_upsample_bicubic2d_aa.vec", x, size, corners, scale),
                    (InterpolationMode.Bicubic, 2) => Op.Call("upsample_bicubic2d.vec", x, size, corners, scale),
                    (InterpolationMode.Trilinear, 3) => Op.Call("upsample_trilinear3d.vec", x, size, corners, scale),
                    (InterpolationMode.Area, 1) => Op.Call("adaptive_avg_pool1d", x, size),
                    (InterpolationMode.Area, 2) => Op.Call("adaptive_avg_pool2d", x, size),
                    (InterpolationMode.Area, 3) => Op.Call("adaptive_avg_pool3d", x, size),
                    _ => throw new ArgumentException($"{mode} does not resize a tensor of {spatial + 2} dimensions."),
                };
            }
        }
    }
}
