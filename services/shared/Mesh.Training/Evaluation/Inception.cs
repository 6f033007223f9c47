using Mesh.Imaging;
using Mesh.Models.Weights;
using Mesh.Training.Perception;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Evaluation;

/// <summary>
/// The Inception-v3 of 2015-12-05 that Fréchet distances are stated for: torchvision's without auxiliary head, 1008 classes, average poolings that do
/// not count their padding, and a largest-value pooling in the last block. Frozen.
/// </summary>
public sealed class Inception : Module
{
    /// <summary>Side of the pictures.</summary>
    public const int Side = 299;

    /// <summary>Length of a picture's features.</summary>
    public const int Width = 2048;

    private const int Classes = 1008;
    private static readonly string[] Stem = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "", "Conv2d_3b_1x1", "Conv2d_4a_3x3", ""];

    private readonly Dictionary<string, Module<Tensor, Tensor>> _parts;
    private readonly List<string> _order;
    [ComponentName(Name = "fc")] private readonly Linear _classes;

    /// <summary>A network with random weights, to be loaded.</summary>
    public Inception()
        : base(nameof(Inception))
    {
        _parts = new(StringComparer.Ordinal)
        {
            ["Conv2d_1a_3x3"] = new InceptionConvolution(3, 32, 3, stride: 2), ["Conv2d_2a_3x3"] = new InceptionConvolution(32, 32, 3),
            ["Conv2d_2b_3x3"] = new InceptionConvolution(32, 64, 3, padding: 1), ["Conv2d_3b_1x1"] = new InceptionConvolution(64, 80, 1),
            ["Conv2d_4a_3x3"] = new InceptionConvolution(80, 192, 3),
            ["Mixed_5b"] = InceptionBlock.A(192, 32), ["Mixed_5c"] = InceptionBlock.A(256, 64), ["Mixed_5d"] = InceptionBlock.A(288, 64),
            ["Mixed_6a"] = InceptionBlock.B(288),
            ["Mixed_6b"] = InceptionBlock.C(768, 128), ["Mixed_6c"] = InceptionBlock.C(768, 160), ["Mixed_6d"] = InceptionBlock.C(768, 160),
            ["Mixed_6e"] = InceptionBlock.C(768, 192),
            ["Mixed_7a"] = InceptionBlock.D(768), ["Mixed_7b"] = InceptionBlock.E(1280, largest: false), ["Mixed_7c"] = InceptionBlock.E(2048, largest: true),
        };
        _order = [.. Stem, .. _parts.Keys.Where(k => k.StartsWith("Mixed", StringComparison.Ordinal))];
        _classes = Linear(Width, Classes);
        RegisterComponents();
        foreach (var (name, part) in _parts)
            register_module(name, part);
        this.Freeze();
    }

    /// <summary>The tensors that have values of their own, by name: all but the counters of batches.</summary>
    public Dictionary<string, Tensor> Tensors() => state_dict().Where(t => t.Value.is_floating_point()).ToDictionary(t => t.Key, t => t.Value, StringComparer.Ordinal);

    /// <summary>Loads the network strictly; counters of batches are passed over.</summary>
    /// <exception cref="WeightFileException">Something is missing or of another shape.</exception>
    public void Load(IWeightSource source) =>
        StrictLoader.Load(Tensors(), source, new LoadOptions { Ignore = name => name.EndsWith("num_batches_tracked", StringComparison.Ordinal) });

    /// <summary>A picture as the network takes it: each channel resized to 299 by Pillow's bicubic filter as floats and clipped, then (x − 128)/128.</summary>
    /// <returns>[1, 3, 299, 299].</returns>
    public static Tensor Input(Image picture)
    {
        using var scope = NewDisposeScope();
        var resized = Resized(picture);
        return ((tensor(resized).reshape(1, Side, Side, Image.Channels).permute(0, 3, 1, 2) - 128f) / 128f).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The resized picture: 299 x 299 x 3 values of 0 to 255 that are not rounded.</summary>
    public static float[] Resized(Image picture)
    {
        ArgumentNullException.ThrowIfNull(picture);
        var values = Array.ConvertAll(picture.Pixels, b => (float)b);
        var resized = Resampling.Resize(values, picture.Width, picture.Height, Image.Channels, Side, Side, ResampleFilter.Bicubic);
        for (var i = 0; i < resized.Length; i++)
            resized[i] = Math.Clamp(resized[i], 0, 255);
        return resized;
    }

    /// <summary>The pooled features of scaled pictures.</summary>
    /// <param name="x">[B, 3, 299, 299], as <see cref="Input"/> gives them.</param>
    /// <param name="onMap">Told of the maps after both poolings of the stem (0 and 1) and after Mixed_6e (2).</param>
    /// <returns>[B, 2048].</returns>
    public Tensor Features(Tensor x, Action<int, Tensor>? onMap = null)
    {
        using var scope = NewDisposeScope();
        var maps = 0;
        foreach (var name in _order)
        {
            x = name.Length == 0 ? F.max_pool2d(x, 3L, stride: 2) : _parts[name].call(x);
            if (name.Length == 0 || name == "Mixed_6e")
                onMap?.Invoke(maps++, x);
        }

        return x.mean([2, 3]).MoveToOuterDisposeScope();
    }

    /// <summary>The classifier's answer to features, [B, 1008].</summary>
    public Tensor Logits(Tensor features) => _classes.call(features);
}
