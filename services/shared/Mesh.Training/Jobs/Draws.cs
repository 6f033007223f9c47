using Mesh.Models.Noise;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Random tensors from the run's generator.</summary>
internal static class Draws
{
    private const long WeightSalt = 0x2C1B3C6D;

    /// <summary>Where initial weights come from: the same seed, but not the numbers that batches are drawn with.</summary>
    public static TorchGenerator Weights(long seed) => new(seed ^ WeightSalt);

    /// <summary>Standard normals of a shape, on the CPU.</summary>
    public static Tensor Normals(TorchGenerator random, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        random.Normals(values);
        return tensor(values).reshape(shape);
    }
}
