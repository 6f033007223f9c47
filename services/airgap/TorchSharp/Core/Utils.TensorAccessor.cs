using System.Collections;

namespace TorchSharp.Utils;

/// <summary>The elements of a tensor on the CPU, in the order of its axes whatever its strides, read and written in place.</summary>
public sealed class TensorAccessor<T> : IDisposable, IEnumerable<T>
    where T : unmanaged
{
    private readonly torch.Tensor _tensor;
    private readonly long[] _shape;
    private readonly long[] _strides;
    private readonly bool _contiguous;

    internal TensorAccessor(torch.Tensor tensor)
    {
        _tensor = tensor;
        _shape = tensor.shape;
        _strides = tensor.stride();
        _contiguous = tensor.is_contiguous();
        Count = tensor.numel();
    }

    public long Count { get; }
    public bool IsReadOnly => false;

    /// <summary>An element, by one index an axis, or by its place in the order of all.</summary>
    public unsafe T this[params long[] indices]
    {
        get => *(Data + Offset(indices));
        set => *(Data + Offset(indices)) = value;
    }

    private unsafe T* Data => (T*)_tensor.DataPointer;

    public static bool operator ==(TensorAccessor<T> left, TensorAccessor<T> right) => left.Equals(right);
    public static bool operator !=(TensorAccessor<T> left, TensorAccessor<T> right) => !left.Equals(right);

    public T[] ToArray()
    {
        var array = new T[Count];
        CopyTo(array);
        return array;
    }

    /// <summary>An array of the tensor's shape; of rank one for a single number.</summary>
    public Array ToNDArray()
    {
        if (_shape.Length <= 1) return ToArray();
        var array = Array.CreateInstance(typeof(T), _shape);
        var flat = ToArray();
        Buffer.BlockCopy(flat, 0, array, 0, System.Runtime.CompilerServices.Unsafe.SizeOf<T>() * flat.Length);
        return array;
    }

    public void CopyTo(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyTo(array.AsSpan(), arrayIndex, tensorIndex);

    public unsafe void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        var target = array[arrayIndex..];
        var count = (int)Math.Min(target.Length, Count - tensorIndex);
        if (_contiguous) new Span<T>(Data + tensorIndex, count).CopyTo(target);
        else
            for (var i = 0; i < count; i++)
                target[i] = *(Data + Place(tensorIndex + i));
        GC.KeepAlive(_tensor);
    }

    public void CopyFrom(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyFrom((ReadOnlySpan<T>)array, arrayIndex, tensorIndex);

    public unsafe void CopyFrom(ReadOnlySpan<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        var source = array[arrayIndex..];
        var count = (int)Math.Min(source.Length, Count - tensorIndex);
        if (_contiguous) source[..count].CopyTo(new Span<T>(Data + tensorIndex, count));
        else
            for (var i = 0; i < count; i++)
                *(Data + Place(tensorIndex + i)) = source[i];
        GC.KeepAlive(_tensor);
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (var i = 0L; i < Count; i++) yield return Read(i);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override bool Equals(object? obj) => obj is TensorAccessor<T> other && Count == other.Count && this.SequenceEqual(other);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var element in this) hash.Add(element);
        return hash.ToHashCode();
    }

    /// <summary>Nothing of its own to release: the tensor stays its owner's.</summary>
    public void Dispose()
    {
    }

    private unsafe T Read(long place) => *(Data + Place(place));

    private long Offset(long[] indices)
    {
        if (indices.Length == 1) return Place(Bounded(indices[0], Count));
        if (indices.Length != _shape.Length) throw new ArgumentException($"{indices.Length} indices for {_shape.Length} axes", nameof(indices));
        var offset = 0L;
        for (var axis = 0; axis < indices.Length; axis++) offset += Bounded(indices[axis], _shape[axis]) * _strides[axis];
        return offset;
    }

    /// <summary>Where in memory the element of that rank lies.</summary>
    private long Place(long rank)
    {
        if (_contiguous) return rank;
        var offset = 0L;
        for (var axis = _shape.Length - 1; axis >= 0; axis--)
        {
            (rank, var index) = Math.DivRem(rank, _shape[axis]);
            offset += index * _strides[axis];
        }
        return offset;
    }

    private static long Bounded(long index, long length) =>
        (ulong)index < (ulong)length ? index : throw new ArgumentOutOfRangeException(nameof(index), index, $"not within 0..{length - 1}");
}
