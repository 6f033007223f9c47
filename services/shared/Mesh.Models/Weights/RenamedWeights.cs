using TorchSharp;

namespace Mesh.Models.Weights;

/// <summary>How a tensor is made of the one that is stored.</summary>
internal enum WeightChange
{
    None,

    /// <summary>[a, b] -> [b, a].</summary>
    Transpose,

    /// <summary>The first, second or third part of the first axis: query, key and value in one matrix.</summary>
    FirstThird,
    SecondThird,
    LastThird,

    /// <summary>[a, b, 1, 1] -> [a, b].</summary>
    Squeeze,
}

/// <summary>Part of another source under other names. Does not own that source.</summary>
internal sealed class RenamedWeights : IWeightSource
{
    private readonly IWeightSource _inner;
    private readonly Dictionary<string, (string Name, WeightChange Change)> _names;
    private readonly Dictionary<string, TensorEntry> _entries = new(StringComparer.Ordinal);

    /// <param name="inner">Where the tensors are.</param>
    /// <param name="origin">For messages.</param>
    /// <param name="names">New name -> stored name and what is done to it.</param>
    /// <exception cref="WeightFileException">A stored shape does not allow the change.</exception>
    public RenamedWeights(IWeightSource inner, string origin, Dictionary<string, (string Name, WeightChange Change)> names)
    {
        _inner = inner;
        _names = names;
        Origin = origin;
        foreach (var (name, (stored, change)) in names)
            _entries.Add(name, Changed(inner.Entries[stored], change, stored));
    }

    public string Origin { get; }

    public IReadOnlyDictionary<string, TensorEntry> Entries => _entries;

    public torch.Tensor Read(string name, torch.ScalarType dtype)
    {
        var (stored, change) = _names.TryGetValue(name, out var found)
            ? found
            : throw new WeightFileException($"{Origin} has no tensor {WeightFileException.Quote(name)}");
        using var scope = torch.NewDisposeScope();
        var read = _inner.Read(stored, dtype);
        var changed = change switch
        {
            WeightChange.Transpose => read.transpose(0, 1).contiguous(),
            WeightChange.FirstThird or WeightChange.SecondThird or WeightChange.LastThird => Third(read, change - WeightChange.FirstThird),
            _ => read.reshape(_entries[name].Shape),
        };
        return changed.MoveToOuterDisposeScope();
    }

    public void CopyTo(string name, torch.Tensor target)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (_names.TryGetValue(name, out var found) && found.Change is WeightChange.None or WeightChange.Squeeze)
        {
            _inner.CopyTo(found.Name, target);
            return;
        }
        using var read = Read(name, target.dtype);
        target.copy_(read);
    }

    public void Dispose()
    {
        // The checkpoint that this is a view of is disposed of by whoever opened it.
    }

    private static torch.Tensor Third(torch.Tensor whole, int part)
    {
        long size = whole.shape[0] / 3;
        return whole.narrow(0, part * size, size).contiguous();
    }

    private TensorEntry Changed(TensorEntry entry, WeightChange change, string stored)
    {
        var shape = entry.Shape;
        bool fits = change switch
        {
            WeightChange.None => true,
            WeightChange.Transpose => shape.Length == 2,
            WeightChange.Squeeze => shape.Length == 2 || shape.Length == 4 && shape[2] == 1 && shape[3] == 1,
            _ => shape.Length > 0 && shape[0] % 3 == 0,
        };
        if (!fits)
            throw new WeightFileException($"{Origin}: {WeightFileException.Quote(stored)} has the unexpected shape {WeightFileException.Shape(shape)}");
        return change switch
        {
            WeightChange.None => entry,
            WeightChange.Transpose => entry with { Shape = [shape[1], shape[0]] },
            WeightChange.Squeeze => entry with { Shape = shape[..2] },
            _ => entry with { Shape = [shape[0] / 3, .. shape[1..]], End = entry.Begin + entry.Bytes / 3 },
        };
    }
}
