using System.Buffers;
using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// What a marshaller reads a message from. Deserializing is synchronous and does not nest, so a thread keeps one for all its calls.
/// </summary>
internal sealed class MessagePayload : DeserializationContext
{
    [ThreadStatic]
    private static MessagePayload? s_spare;

    private ReadOnlySequence<byte> _payload;

    public override int PayloadLength => (int)_payload.Length;

    public override byte[] PayloadAsNewBuffer() => _payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => _payload;

    internal static T Deserialize<T>(in ReadOnlySequence<byte> payload, Func<DeserializationContext, T> deserializer)
    {
        var context = s_spare ?? new MessagePayload();
        s_spare = null;
        context._payload = payload;
        try
        {
            return deserializer(context);
        }
        finally
        {
            // The memory goes back to the pipe: nothing may be read from it any more.
            context._payload = default;
            s_spare = context;
        }
    }
}
