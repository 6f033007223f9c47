using System.Buffers;

namespace Grpc.Core;

/// <summary>Collects one message as an array, for callers of <see cref="Marshaller{T}.Serializer"/>.</summary>
internal sealed class ArraySerializationContext : SerializationContext
{
    private ArrayBufferWriter<byte>? _writer;
    private byte[]? _payload;

    public byte[] Payload => _payload ?? throw new InvalidOperationException("The serializer did not complete the message.");

    public override void Complete(byte[] payload)
    {
        CheckOpen();
        _payload = payload;
    }

    public override void SetPayloadLength(int payloadLength)
    {
        CheckOpen();
        if (payloadLength > 0) _writer ??= new ArrayBufferWriter<byte>(payloadLength);
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        CheckOpen();
        return _writer ??= new ArrayBufferWriter<byte>();
    }

    public override void Complete()
    {
        CheckOpen();
        _payload = _writer is null ? [] : _writer.WrittenSpan.ToArray();
    }

    private void CheckOpen()
    {
        if (_payload is not null) throw new InvalidOperationException("The message is complete already.");
    }
}

internal sealed class ArrayDeserializationContext(byte[] payload) : DeserializationContext
{
    public override int PayloadLength => payload.Length;

    public override byte[] PayloadAsNewBuffer() => payload.AsSpan().ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => new(payload);
}
