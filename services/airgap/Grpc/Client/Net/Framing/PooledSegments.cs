using System.Buffers;

namespace Grpc.Net.Client.Framing;

/// <summary>Bytes in pooled arrays that grow as they arrive, so that an announced length costs nothing until its bytes are there.</summary>
internal sealed class PooledSegments
{
    private const int MaxSegment = 4 << 20;

    private readonly List<(byte[] Array, int Count)> _segments = [];

    public long Length { get; private set; }

    /// <summary>Room to write: all of what remains where that is no more than a segment.</summary>
    public Memory<byte> Room(long expected)
    {
        if (_segments.Count == 0 || _segments[^1].Count == _segments[^1].Array.Length)
        {
            _segments.Add((ArrayPool<byte>.Shared.Rent((int)Math.Clamp(expected, 1, MaxSegment)), 0));
        }
        var (array, count) = _segments[^1];
        return array.AsMemory(count);
    }

    public void Advance(int count)
    {
        var (array, before) = _segments[^1];
        _segments[^1] = (array, before + count);
        Length += count;
    }

    public ReadOnlySequence<byte> AsSequence()
    {
        if (_segments.Count == 0) return ReadOnlySequence<byte>.Empty;
        if (_segments.Count == 1) return new ReadOnlySequence<byte>(_segments[0].Array, 0, _segments[0].Count);
        var first = new Segment(_segments[0].Array.AsMemory(0, _segments[0].Count), null);
        var last = first;
        for (var i = 1; i < _segments.Count; i++) last = new Segment(_segments[i].Array.AsMemory(0, _segments[i].Count), last);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    public void Release()
    {
        foreach (var (array, _) in _segments) ArrayPool<byte>.Shared.Return(array);
        _segments.Clear();
        Length = 0;
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is null) return;
            RunningIndex = before.RunningIndex + before.Memory.Length;
            before.Next = this;
        }
    }
}
