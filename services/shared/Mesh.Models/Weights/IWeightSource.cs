using TorchSharp;

namespace Mesh.Models.Weights;

/// <summary>One tensor of a weight file.</summary>
/// <param name="DType">Element type on disk.</param>
/// <param name="Shape">Sizes; empty for a scalar.</param>
/// <param name="Begin">First byte, counted from the start of the file's data.</param>
/// <param name="End">One past the last byte.</param>
public sealed record TensorEntry(DType DType, long[] Shape, long Begin = 0, long End = 0)
{
    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Size on disk.</summary>
    public long Bytes => End - Begin;
}

/// <summary>Named tensors that a network can be loaded from: a file, a set of shards, or another source under other names.</summary>
public interface IWeightSource : IDisposable
{
    /// <summary>What there is, by name.</summary>
    IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    /// <summary>Where the tensors come from, for messages.</summary>
    string Origin => GetType().Name;

    /// <summary>A new tensor on the CPU with the values of <paramref name="name"/> as <paramref name="dtype"/>. The caller disposes of it.</summary>
    /// <exception cref="WeightFileException">No such tensor, or its element type cannot become <paramref name="dtype"/>.</exception>
    torch.Tensor Read(string name, torch.ScalarType dtype);

    /// <summary>Writes the values of <paramref name="name"/> into <paramref name="target"/>, whose element count must be the same, converting on the way.</summary>
    /// <exception cref="WeightFileException">As <see cref="Read"/>.</exception>
    void CopyTo(string name, torch.Tensor target)
    {
        using var read = Read(name, target.dtype);
        using var shaped = read.reshape(target.shape);
        using var noGrad = torch.no_grad();
        target.copy_(shaped);
    }

    /// <inheritdoc/>
    void IDisposable.Dispose() => GC.SuppressFinalize(this);
}
