using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Training.Perception;

/// <summary>
/// VGG16 with batch norms on latents: the first three of its five poolings are left out, so that the features keep the latent's fine grid. Its five
/// slices bear the classifier's own indices: <c>sliceK.N</c>.
/// </summary>
internal sealed class LatentTrunk : Module
{
    // Slices of [from, to) of the classifier's indices; a convolution begins at each index given, a pooling ends the last two.
    private static readonly int[][] Convolutions = [[0, 3], [7, 10], [14, 17, 20], [24, 27, 30], [34, 37, 40]];

    [ComponentName(Name = "slice1")] private readonly Slice _slice1;
    [ComponentName(Name = "slice2")] private readonly Slice _slice2;
    [ComponentName(Name = "slice3")] private readonly Slice _slice3;
    [ComponentName(Name = "slice4")] private readonly Slice _slice4;
    [ComponentName(Name = "slice5")] private readonly Slice _slice5;

    public LatentTrunk(int channels)
        : base(nameof(LatentTrunk))
    {
        _slice1 = new Slice(Convolutions[0], channels, Widths[0], pools: false);
        _slice2 = new Slice(Convolutions[1], Widths[0], Widths[1], pools: false);
        _slice3 = new Slice(Convolutions[2], Widths[1], Widths[2], pools: false);
        _slice4 = new Slice(Convolutions[3], Widths[2], Widths[3], pools: true);
        _slice5 = new Slice(Convolutions[4], Widths[3], Widths[4], pools: true);
        RegisterComponents();
    }

    /// <summary>Channels of each tap.</summary>
    public static int[] Widths { get; } = [64, 128, 256, 512, 512];

    /// <summary>The slices' results: three of the latent's size, then half and a quarter of it.</summary>
    public List<Tensor> Taps(Tensor latent)
    {
        var taps = new List<Tensor>();
        foreach (var slice in new[] { _slice1, _slice2, _slice3, _slice4, _slice5 })
            taps.Add(slice.call(taps.Count == 0 ? latent : taps[^1]));
        return taps;
    }

    private sealed class Slice : Module<Tensor, Tensor>
    {
        private readonly List<Module<Tensor, Tensor>> _order = [];

        public Slice(int[] indices, int input, int width, bool pools)
            : base(nameof(Slice))
        {
            foreach (var index in indices)
            {
                Add(index, Conv2d(input, width, 3, padding: 1));
                Add(index + 1, BatchNorm2d(width));
                _order.Add(ReLU());
                input = width;
            }

            if (pools)
                _order.Add(MaxPool2d(2, stride: 2));
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            foreach (var layer in _order)
                x = layer.call(x);
            return x.MoveToOuterDisposeScope();
        }

        private void Add(int index, Module<Tensor, Tensor> layer)
        {
            register_module(index.ToString(System.Globalization.CultureInfo.InvariantCulture), layer);
            _order.Add(layer);
        }
    }
}
