using Mesh.Models.Noise;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Adapters;

/// <summary>The low-rank update of one layer, which runs beside it: layer(x) + (alpha/rank)·up(down(x)).</summary>
public sealed class LoraAdapter : Module
{
    private const string DownName = "down";
    private const string UpName = "up";

    private readonly Parameter _down;
    private readonly Parameter _up;

    /// <summary>An update that changes nothing yet: <c>up</c> is 0, <c>down</c> is uniform within ±1/√(inputs of an output).</summary>
    /// <param name="path">The layer's module path.</param>
    /// <param name="weight">The layer's weight, of which the shape counts: [out, in] or [out, in, k, k].</param>
    /// <param name="shape">Rank and alpha.</param>
    /// <param name="random">Draws <c>down</c>.</param>
    public LoraAdapter(string path, Tensor weight, LoraShape shape, TorchGenerator random)
        : base(nameof(LoraAdapter))
    {
        (Path, Shape) = (path, shape);
        long[] inputs = weight.shape[1..]; // [in] or [in, k, k]
        long[] ones = [.. inputs.Skip(1).Select(_ => 1L)];
        var values = new float[shape.Rank * inputs.Aggregate(1L, (a, b) => a * b)];
        random.Uniforms(values);
        var bound = 1 / MathF.Sqrt(values.Length / (float)shape.Rank);
        for (var i = 0; i < values.Length; i++)
            values[i] = ((2 * values[i]) - 1) * bound;
        using var mode = no_grad();
        _down = new Parameter(tensor(values).reshape([shape.Rank, .. inputs]));
        _up = new Parameter(zeros([weight.shape[0], shape.Rank, .. ones]));
        register_parameter(DownName, _down);
        register_parameter(UpName, _up);
    }

    /// <summary>The layer's module path.</summary>
    public string Path { get; }

    /// <summary>Rank and alpha.</summary>
    public LoraShape Shape { get; }

    /// <summary>[rank, in] or [rank, in, k, k].</summary>
    public Tensor Down => _down;

    /// <summary>[out, rank] or [out, rank, 1, 1].</summary>
    public Tensor Up => _up;

    /// <summary>Puts the update beside its layer.</summary>
    /// <returns>Takes it off again.</returns>
    /// <exception cref="ArgumentException">The layer is neither linear nor a convolution.</exception>
    internal Action Attach(Module layer)
    {
        (Module<Tensor, Tensor> Target, Func<Tensor, Tensor> Beside) found = layer switch
        {
            TorchSharp.Modules.Linear linear => (linear, x => F.linear(F.linear(x, _down), _up)),
            Convolution convolution => (convolution, x => F.conv2d(F.conv2d(x, _down, strides: convolution.stride, padding: convolution.padding), _up)),
            _ => throw new ArgumentException($"{Path}: a {layer.GetName()} takes no low-rank update", nameof(layer)),
        };
        var (target, beside) = found;
        return target.register_forward_hook((_, input, output) =>
        {
            using var scope = NewDisposeScope();
            return (output + (beside(input) * Shape.Scale)).MoveToOuterDisposeScope();
        }).remove;
    }
}
