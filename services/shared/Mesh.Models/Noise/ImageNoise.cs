using static TorchSharp.torch;

namespace Mesh.Models.Noise;

/// <summary>
/// The noise of a batch of images, one generator an image: what an image receives depends on its own seed and on nothing that shares its batch.
/// </summary>
public sealed class ImageNoise
{
    private readonly TorchGenerator[] _generators;

    /// <summary>One image for each seed.</summary>
    public ImageNoise(IReadOnlyList<long> seeds)
    {
        ArgumentOutOfRangeException.ThrowIfZero(seeds.Count);
        _generators = [.. seeds.Select(seed => new TorchGenerator(seed))];
    }

    /// <summary>Images in the batch.</summary>
    public int Count => _generators.Length;

    /// <summary>The next standard normals of every image, float32, [images, <paramref name="shape"/>…]. The caller disposes the tensor.</summary>
    /// <param name="shape">One image's shape, without the batch.</param>
    public Tensor Next(params ReadOnlySpan<long> shape)
    {
        var size = 1L;
        foreach (var side in shape)
            size = checked(size * side);
        var values = new float[checked(size * Count)];
        for (var i = 0; i < Count; i++)
            _generators[i].Normals(values.AsSpan((int)(i * size), (int)size));
        return tensor(values, [Count, .. shape]);
    }
}
