using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// What a marshaller writes a message to. A message whose length is known beforehand goes straight into the response's pipe, behind its prefix;
/// any other, and a compressed one, goes through pooled memory. Serializing is synchronous, so a thread keeps one for all its calls.
/// </summary>
internal sealed class MessageWriter : SerializationContext
{
    [ThreadStatic]
    private static MessageWriter? s_spare;

    private PipeWriter _output = null!;
    private MethodOptions _options = null!;
    private ICompressionProvider? _compression;
    private PooledBuffer? _buffer;
    private int _payloadLength;
    private State _state;

    private enum State
    {
        Initialized,
        Direct,
        Buffered,
        Complete,
    }

    /// <summary>Puts a message into the response's pipe; does not flush it.</summary>
    internal static void Write<T>(ServerCall call, PipeWriter output, T message, WriteOptions? writeOptions, Action<T, SerializationContext> serializer)
    {
        var writer = s_spare ?? new MessageWriter();
        s_spare = null;
        writer.Begin(call, output, writeOptions);
        try
        {
            serializer(message, writer);
            if (writer._state != State.Complete)
                throw new InvalidOperationException("The serializer did not complete the message.");
        }
        finally
        {
            writer.End();
            s_spare = writer;
        }
    }

    public override void SetPayloadLength(int payloadLength)
    {
        Expect(State.Initialized);
        _payloadLength = payloadLength;
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        if (_state == State.Initialized)
            _state = _compression is null && _payloadLength >= 0 ? BeginDirect() : State.Buffered;

        return _state switch
        {
            State.Direct => _output,
            State.Buffered => _buffer ??= new PooledBuffer(),
            _ => throw Invalid(),
        };
    }

    public override void Complete(byte[] payload)
    {
        Expect(State.Initialized);
        _state = State.Complete;
        WritePayload(payload);
    }

    public override void Complete()
    {
        if (_state == State.Buffered)
            WritePayload(_buffer is null ? default : _buffer.WrittenSpan);
        else if (_state != State.Direct)
            throw Invalid();

        _state = State.Complete;
    }

    private void Begin(ServerCall call, PipeWriter output, WriteOptions? writeOptions)
    {
        _output = output;
        _options = call.Options;
        _payloadLength = -1;
        _state = State.Initialized;
        if (ReferenceEquals(call.ResponseEncoding, GrpcProtocol.IdentityEncoding) || (writeOptions?.Flags & WriteFlags.NoCompress) == WriteFlags.NoCompress)
            _compression = null;
        else
            _options.CompressionProviders.TryGetValue(call.ResponseEncoding, out _compression);
    }

    private void End()
    {
        _buffer?.Dispose();
        _buffer = null;
        _output = null!;
        _options = null!;
        _compression = null;
    }

    private State BeginDirect()
    {
        CheckSize(_payloadLength);
        WriteHeader(_payloadLength, compressed: 0);
        return State.Direct;
    }

    private void WritePayload(ReadOnlySpan<byte> payload)
    {
        CheckSize(payload.Length);
        if (_compression is null)
        {
            WriteHeader(payload.Length, compressed: 0);
            _output.Write(payload);
            return;
        }

        using var packed = new PooledBuffer();
        using (var stream = _compression.CreateCompressionStream(new BufferStream(packed), _options.ResponseCompressionLevel))
            stream.Write(payload);

        WriteHeader(packed.Length, compressed: 1);
        _output.Write(packed.WrittenSpan);
    }

    private void WriteHeader(int length, byte compressed)
    {
        var header = _output.GetSpan(MessageReader.HeaderSize);
        header[0] = compressed;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], (uint)length);
        _output.Advance(MessageReader.HeaderSize);
    }

    private void CheckSize(int length)
    {
        if (length > _options.MaxSendMessageSize)
            throw new RpcException(new Status(StatusCode.ResourceExhausted, "Sending message exceeds the maximum configured message size."));
    }

    private void Expect(State state)
    {
        if (_state != state)
            throw Invalid();
    }

    private InvalidOperationException Invalid() => new($"Not valid in the current state: {_state}");
}
