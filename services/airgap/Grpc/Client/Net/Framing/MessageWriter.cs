using System.Buffers;
using System.Buffers.Binary;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Grpc.Net.Client.Framing;

/// <summary>Serializes one message at a time into a pooled buffer, behind room for the frame's five bytes of header. Reused a thread.</summary>
internal sealed class MessageWriter : SerializationContext, IBufferWriter<byte>
{
    internal const int HeaderSize = 5;
    private const int FirstSize = 256;

    private static readonly Status TooLarge = new(StatusCode.ResourceExhausted, "Sending message exceeds the maximum configured message size.");

    [ThreadStatic]
    private static MessageWriter? _cached;

    private byte[] _buffer = [];
    private int _end;
    private int? _declared;
    private int _maxSize;
    private bool _complete;

    private MessageWriter()
    {
    }

    public static MessageWriter Rent()
    {
        var writer = _cached ?? new MessageWriter();
        _cached = null;
        return writer;
    }

    /// <summary>Gives the buffer back; the last frame is no longer valid.</summary>
    public void Return()
    {
        ReleaseBuffer();
        _cached = this;
    }

    /// <summary>The message as a frame, valid until the next one or <see cref="Return"/>.</summary>
    /// <exception cref="RpcException">The message is larger than <paramref name="maxSize"/> bytes.</exception>
    public ReadOnlyMemory<byte> WriteFrame<T>(Action<T, SerializationContext> serializer, T message, int? maxSize, ICompressionProvider? compression)
    {
        _end = HeaderSize;
        _declared = null;
        _complete = false;
        _maxSize = maxSize ?? int.MaxValue;
        serializer(message, this);
        if (!_complete) throw new InvalidOperationException("The serializer did not complete the message.");
        CheckSize(_end - HeaderSize);
        if (_declared is { } declared && declared != _end - HeaderSize)
        {
            throw new InvalidOperationException($"The serializer announced {declared} bytes and wrote {_end - HeaderSize}.");
        }
        Reserve(0);
        if (compression is not null) Compress(compression);
        _buffer[0] = (byte)(compression is null ? 0 : 1);
        BinaryPrimitives.WriteUInt32BigEndian(_buffer.AsSpan(1), (uint)(_end - HeaderSize));
        return _buffer.AsMemory(0, _end);
    }

    public override void SetPayloadLength(int payloadLength)
    {
        CheckOpen();
        CheckSize(payloadLength);
        _declared = payloadLength;
        Reserve(payloadLength);
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        CheckOpen();
        return this;
    }

    public override void Complete()
    {
        CheckOpen();
        _complete = true;
    }

    public override void Complete(byte[] payload)
    {
        CheckOpen();
        CheckSize(payload.Length);
        Reserve(payload.Length);
        payload.CopyTo(_buffer, _end);
        _end += payload.Length;
        _complete = true;
    }

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length - _end);
        _end += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _buffer.AsMemory(_end);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _buffer.AsSpan(_end);
    }

    private void Compress(ICompressionProvider compression)
    {
        var plain = _buffer;
        var length = _end - HeaderSize;
        _buffer = [];
        _end = HeaderSize;
        try
        {
            Reserve(length);
            using var compressor = compression.CreateCompressionStream(new BufferWriterStream(this), null);
            compressor.Write(plain, HeaderSize, length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(plain);
        }
    }

    private void Reserve(int count)
    {
        if (_buffer.Length - _end >= count && _buffer.Length > 0) return;
        var needed = checked(_end + count);
        var size = _buffer.Length == 0 ? Math.Max(needed, FirstSize) : Math.Max(needed, (int)Math.Min(2L * _buffer.Length, Array.MaxLength));
        var larger = ArrayPool<byte>.Shared.Rent(size);
        _buffer.AsSpan(0, Math.Min(_end, _buffer.Length)).CopyTo(larger);
        ReleaseBuffer();
        _buffer = larger;
    }

    private void ReleaseBuffer()
    {
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }

    private void CheckOpen()
    {
        if (_complete) throw new InvalidOperationException("The message is complete already.");
    }

    private void CheckSize(int size)
    {
        if (size > _maxSize) throw new RpcException(TooLarge);
    }
}
