using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Grpc.Net.Client.Framing;

/// <summary>
/// Takes frames from a response's body. Small frames are parsed where they were read; a large one is read into pooled arrays of its own.
/// Buffers go back to the pool only from the reading path, so that a cancelled call cannot give away one that is still being filled.
/// </summary>
internal sealed class MessageReader(Stream stream, int? maxSize, string? encoding, IReadOnlyDictionary<string, ICompressionProvider> compressions)
    : DeserializationContext
{
    private const int BufferSize = 8 * 1024;
    private const int HeaderSize = MessageWriter.HeaderSize;

    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private PooledSegments? _large;
    private ReadOnlySequence<byte> _payload;

    public override int PayloadLength => (int)_payload.Length;

    private int Buffered => _end - _start;

    public override byte[] PayloadAsNewBuffer() => _payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => _payload;

    /// <summary>Reads the next frame whole; false at the body's end.</summary>
    /// <exception cref="InvalidDataException">The body ends within a frame.</exception>
    /// <exception cref="RpcException">The frame is too large, or compressed in a way that was not agreed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (_buffer.Length == 0) _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        while (Buffered < HeaderSize)
        {
            if (await FillAsync(cancellationToken).ConfigureAwait(false)) continue;
            if (Buffered > 0) throw new InvalidDataException("Unexpected end of content while reading the message header.");
            return false;
        }

        var compressed = ReadFlag(_buffer[_start]);
        var length = ReadLength(_buffer.AsSpan(_start + 1));
        _start += HeaderSize;
        if (length <= _buffer.Length)
        {
            while (Buffered < length)
            {
                if (!await FillAsync(cancellationToken).ConfigureAwait(false)) throw Truncated();
            }
            _payload = new ReadOnlySequence<byte>(_buffer, _start, length);
            _start += length;
        }
        else
        {
            await ReadLargeAsync(length, cancellationToken).ConfigureAwait(false);
        }

        if (compressed) Decompress();
        return true;
    }

    /// <summary>True where nothing follows the last frame.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> IsAtEndAsync(CancellationToken cancellationToken)
    {
        if (_buffer.Length == 0) _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        return Buffered == 0 && !await FillAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The message in the frame that was read. The frame's bytes are gone afterwards.</summary>
    public T Deserialize<T>(Func<DeserializationContext, T> deserializer)
    {
        try
        {
            return deserializer(this) ?? throw new InvalidOperationException("The deserializer returned no message.");
        }
        finally
        {
            _payload = default;
            _large?.Release();
        }
    }

    /// <summary>Gives the buffers back; only where no read is under way and none will follow.</summary>
    public void Release()
    {
        _payload = default;
        _large?.Release();
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _start = _end = 0;
    }

    private static InvalidDataException Truncated() => new("Unexpected end of content while reading the message content.");

    private static bool ReadFlag(byte flag) => flag switch
    {
        0 => false,
        1 => true,
        _ => throw new InvalidDataException("Unexpected compressed flag value in message header."),
    };

    private int ReadLength(ReadOnlySpan<byte> header)
    {
        var length = BinaryPrimitives.ReadUInt32BigEndian(header);
        if (length > int.MaxValue) throw new InvalidDataException("Message too large.");
        if (length > maxSize) throw TooLarge();
        return (int)length;
    }

    private static RpcException TooLarge() => new(new Status(StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size."));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_start > 0)
        {
            _buffer.AsSpan(_start, Buffered).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        var count = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
        _end += count;
        return count > 0;
    }

    private async ValueTask ReadLargeAsync(int length, CancellationToken cancellationToken)
    {
        var large = _large ??= new PooledSegments();
        var room = large.Room(length);
        _buffer.AsSpan(_start, Buffered).CopyTo(room.Span);
        large.Advance(Buffered);
        _start = _end = 0;
        while (large.Length < length)
        {
            var missing = length - large.Length;
            room = large.Room(missing);
            if (room.Length > missing) room = room[..(int)missing];
            var count = await stream.ReadAsync(room, cancellationToken).ConfigureAwait(false);
            if (count == 0) throw Truncated();
            large.Advance(count);
        }
        _payload = large.AsSequence();
    }

    private void Decompress()
    {
        if (encoding is null) throw Failure(StatusCode.Internal, "Request did not include grpc-encoding value with compressed message.");
        if (encoding == "identity") throw Failure(StatusCode.Internal, "Request sent 'identity' grpc-encoding value with compressed message.");
        if (!compressions.TryGetValue(encoding, out var compression))
        {
            throw Failure(StatusCode.Unimplemented, $"Unsupported grpc-encoding value '{encoding}'. Supported encodings: identity, {string.Join(", ", compressions.Keys)}");
        }

        var plain = new PooledSegments();
        try
        {
            using var decompressor = compression.CreateDecompressionStream(new SequenceStream(_payload));
            int count;
            while ((count = decompressor.Read(plain.Room(Math.Max(_payload.Length * 2, BufferSize)).Span)) > 0)
            {
                plain.Advance(count);
                if (plain.Length > (maxSize ?? int.MaxValue)) throw TooLarge();
            }
        }
        catch
        {
            plain.Release();
            throw;
        }
        _large?.Release();
        _large = plain;
        _payload = plain.AsSequence();
    }

    private static RpcException Failure(StatusCode code, string detail) => new(new Status(code, detail));
}
