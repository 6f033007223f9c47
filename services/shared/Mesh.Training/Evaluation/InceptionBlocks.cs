using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Evaluation;

/// <summary>A convolution without bias, a batch norm, ReLU.</summary>
internal sealed class InceptionConvolution : Module<Tensor, Tensor>
{
    private const double NormEps = 0.001;

    [ComponentName(Name = "conv")] private readonly Conv2d _convolution;
    [ComponentName(Name = "bn")] private readonly BatchNorm2d _norm;

    public InceptionConvolution(int input, int output, int size, int stride = 1, int padding = 0)
        : this(input, output, (size, size), (padding, padding), stride)
    {
    }

    public InceptionConvolution(int input, int output, (long Height, long Width) size, (long Height, long Width) padding, int stride = 1)
        : base(nameof(InceptionConvolution))
    {
        _convolution = Conv2d(input, output, size, (stride, stride), padding, bias: false);
        _norm = BatchNorm2d(output, NormEps);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var convolved = _convolution.call(x);
        using var normed = _norm.call(convolved);
        return F.relu(normed);
    }
}

/// <summary>Branches side by side whose results are joined along the channels; a branch is a row of convolutions or a pooling and what follows it.</summary>
internal sealed class InceptionBlock : Module<Tensor, Tensor>
{
    private readonly List<Func<Tensor, Tensor>> _branches = [];

    private InceptionBlock()
        : base(nameof(InceptionBlock))
    {
    }

    /// <summary>Mixed_5b to 5d: 35x35 places.</summary>
    public static InceptionBlock A(int input, int pooled)
    {
        var block = new InceptionBlock();
        block.Row(("branch1x1", new(input, 64, 1)));
        block.Row(("branch5x5_1", new(input, 48, 1)), ("branch5x5_2", new(48, 64, 5, padding: 2)));
        block.Row(("branch3x3dbl_1", new(input, 64, 1)), ("branch3x3dbl_2", new(64, 96, 3, padding: 1)), ("branch3x3dbl_3", new(96, 96, 3, padding: 1)));
        block.Pool(Average, ("branch_pool", new(input, pooled, 1)));
        return block;
    }

    /// <summary>Mixed_6a: to 17x17 places.</summary>
    public static InceptionBlock B(int input)
    {
        var block = new InceptionBlock();
        block.Row(("branch3x3", new(input, 384, 3, stride: 2)));
        block.Row(("branch3x3dbl_1", new(input, 64, 1)), ("branch3x3dbl_2", new(64, 96, 3, padding: 1)), ("branch3x3dbl_3", new(96, 96, 3, stride: 2)));
        block._branches.Add(Halve);
        return block;
    }

    /// <summary>Mixed_6b to 6e, with inner width <paramref name="inner"/>.</summary>
    public static InceptionBlock C(int input, int inner)
    {
        var block = new InceptionBlock();
        block.Row(("branch1x1", new(input, 192, 1)));
        block.Row(("branch7x7_1", new(input, inner, 1)), ("branch7x7_2", Wide(inner, inner, 7)), ("branch7x7_3", Tall(inner, 192, 7)));
        block.Row(
            ("branch7x7dbl_1", new(input, inner, 1)), ("branch7x7dbl_2", Tall(inner, inner, 7)), ("branch7x7dbl_3", Wide(inner, inner, 7)),
            ("branch7x7dbl_4", Tall(inner, inner, 7)), ("branch7x7dbl_5", Wide(inner, 192, 7)));
        block.Pool(Average, ("branch_pool", new(input, 192, 1)));
        return block;
    }

    /// <summary>Mixed_7a: to 8x8 places.</summary>
    public static InceptionBlock D(int input)
    {
        var block = new InceptionBlock();
        block.Row(("branch3x3_1", new(input, 192, 1)), ("branch3x3_2", new(192, 320, 3, stride: 2)));
        block.Row(
            ("branch7x7x3_1", new(input, 192, 1)), ("branch7x7x3_2", Wide(192, 192, 7)), ("branch7x7x3_3", Tall(192, 192, 7)), ("branch7x7x3_4", new(192, 192, 3, stride: 2)));
        block._branches.Add(Halve);
        return block;
    }

    /// <summary>Mixed_7b and 7c, which differ in their pooling.</summary>
    public static InceptionBlock E(int input, bool largest)
    {
        var block = new InceptionBlock();
        block.Row(("branch1x1", new(input, 320, 1)));
        block.Split([("branch3x3_1", new(input, 384, 1))], ("branch3x3_2a", Wide(384, 384, 3)), ("branch3x3_2b", Tall(384, 384, 3)));
        block.Split(
            [("branch3x3dbl_1", new(input, 448, 1)), ("branch3x3dbl_2", new(448, 384, 3, padding: 1))],
            ("branch3x3dbl_3a", Wide(384, 384, 3)), ("branch3x3dbl_3b", Tall(384, 384, 3)));
        block.Pool(largest ? Largest : Average, ("branch_pool", new(input, 192, 1)));
        return block;
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return cat(_branches.Select(b => b(x)).ToArray(), 1).MoveToOuterDisposeScope();
    }

    private static InceptionConvolution Wide(int input, int output, int size) => new(input, output, (1, size), (0, size / 2));

    private static InceptionConvolution Tall(int input, int output, int size) => new(input, output, (size, 1), (size / 2, 0));

    // The network that Fréchet distances are stated for does not count what lies outside the map.
    private static Tensor Average(Tensor x) => F.avg_pool2d(x, 3L, stride: 1, padding: 1, count_include_pad: false);

    private static Tensor Largest(Tensor x) => F.max_pool2d(x, 3L, stride: 1, padding: 1);

    private static Tensor Halve(Tensor x) => F.max_pool2d(x, 3L, stride: 2);

    private void Row(params (string Name, InceptionConvolution Layer)[] layers)
    {
        Register(layers);
        _branches.Add(x => Through(layers, x));
    }

    private void Pool(Func<Tensor, Tensor> pool, (string Name, InceptionConvolution Layer) layer)
    {
        Register([layer]);
        _branches.Add(x => layer.Layer.call(pool(x)));
    }

    private void Split((string Name, InceptionConvolution Layer)[] common, params (string Name, InceptionConvolution Layer)[] ends)
    {
        Register(common);
        Register(ends);
        _branches.Add(x =>
        {
            var shared = Through(common, x);
            return cat(ends.Select(e => e.Layer.call(shared)).ToArray(), 1);
        });
    }

    private static Tensor Through((string Name, InceptionConvolution Layer)[] layers, Tensor x) => layers.Aggregate(x, (y, layer) => layer.Layer.call(y));

    private void Register((string Name, InceptionConvolution Layer)[] layers)
    {
        foreach (var (name, layer) in layers)
            register_module(name, layer);
    }
}
