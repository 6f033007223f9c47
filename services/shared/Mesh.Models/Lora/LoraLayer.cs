using static TorchSharp.torch;

namespace Mesh.Models.Lora;

/// <summary>What a LoRA adds to one layer: ΔW = up·down, times <see cref="Scale"/> and the user's own factor.</summary>
public sealed class LoraLayer : IDisposable
{
    internal LoraLayer(string path, Tensor down, Tensor up, Tensor? mid, double? alpha, bool rankStabilised = false)
    {
        (Path, Down, Up, Mid, Alpha) = (path, down, up, mid, alpha);
        Scale = alpha is { } a ? a / (rankStabilised ? Math.Sqrt(Rank) : Rank) : 1;
    }

    /// <summary>The layer's module path.</summary>
    public string Path { get; }

    /// <summary>[rank, in] or [rank, in, k, k], float32.</summary>
    public Tensor Down { get; }

    /// <summary>[out, rank] or [out, rank, 1, 1], float32.</summary>
    public Tensor Up { get; }

    /// <summary>[rank, rank, k, k] between 1x1 factors, or null.</summary>
    public Tensor? Mid { get; }

    /// <summary>The file's alpha for the layer; null where it gives none, which means the rank.</summary>
    public double? Alpha { get; }

    /// <summary>Rank of the update.</summary>
    public int Rank => (int)Down.shape[0];

    /// <summary>alpha / rank.</summary>
    public double Scale { get; }

    /// <summary>up·down in the shape of the layer's weight, not scaled, float32.</summary>
    /// <param name="weight">The weight's shape.</param>
    /// <exception cref="LoraFormatException">The factors do not give a tensor of that many elements.</exception>
    public Tensor Delta(long[] weight)
    {
        using var scope = NewDisposeScope();
        if (Mid is not null)
        {
            // Σ up[o,p]·mid[p,q,k,l]·down[q,i]
            var kernel = Mid.shape[2] * Mid.shape[3];
            var mixed = Mid.permute(0, 2, 3, 1).reshape(-1, Mid.shape[1]).matmul(Down.flatten(1)); // [p·k·l, i]
            var full = Up.flatten(1).matmul(mixed.reshape(Mid.shape[0], -1)); // [o, k·l·i]
            return Fit(full.reshape(Up.shape[0], kernel, -1).transpose(1, 2), weight).MoveToOuterDisposeScope();
        }

        return Fit(Up.flatten(1).matmul(Down.flatten(1)), weight).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Down.Dispose();
        Up.Dispose();
        Mid?.Dispose();
    }

    private Tensor Fit(Tensor delta, long[] weight)
    {
        if (delta.shape[0] != weight[0] || delta.numel() != weight.Aggregate(1L, (a, b) => a * b))
            throw new LoraFormatException($"{Path}: factors of shapes [{string.Join(",", Up.shape)}] and [{string.Join(",", Down.shape)}] do not fit a weight [{string.Join(",", weight)}]");
        return delta.reshape(weight);
    }
}
