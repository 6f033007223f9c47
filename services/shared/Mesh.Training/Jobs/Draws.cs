using Mesh.Models.Noise;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Random tensors from the run's generator.</summary>
internal static class Draws
{
    /// <summary>Standard normals of a shape, on the CPU.</summary>
    public static Tensor Normals(TorchGenerator random, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        random.Normals(values);
        return tensor(values).reshape(shape);
    }
}
