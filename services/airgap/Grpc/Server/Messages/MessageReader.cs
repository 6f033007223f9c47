using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Reads length-prefixed messages from a request's body, without copying them.</summary>
internal static class MessageReader
{
    internal const int HeaderSize = 5;

    /// <summary>Reads the one message of a request that must hold exactly one.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal static async ValueTask<T> ReadSingleAsync<T>(PipeReader input, ServerCall call, Func<DeserializationContext, T> deserializer)
        where T : class
    {
        T? message = null;
        while (true)
        {
            var result = await input.ReadAsync().ConfigureAwait(false);
            if (TakeSingle(input, result, call, deserializer, ref message))
                return message!;
        }
    }

    /// <summary>Reads the next message of a stream; null at its end.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal static async ValueTask<T?> ReadNextAsync<T>(
        PipeReader input, ServerCall call, Func<DeserializationContext, T> deserializer, CancellationToken cancellation)
        where T : class
    {
        while (true)
        {
            var result = await input.ReadAsync(cancellation).ConfigureAwait(false);
            if (TakeNext(input, result, call, deserializer, out var message))
                return message;
        }
    }

    private static bool TakeSingle<T>(
        PipeReader input, in ReadResult result, ServerCall call, Func<DeserializationContext, T> deserializer, ref T? message)
        where T : class
    {
        var buffer = result.Buffer;
        var examined = buffer.End;
        try
        {
            if (result.IsCanceled)
                throw Error(StatusCode.Internal, "Incoming message cancelled.");

            if (message is null && TryTake(ref buffer, call, deserializer, out message))
                examined = buffer.Start;

            if (message is not null && !buffer.IsEmpty)
                throw Error(StatusCode.Internal, "Additional data after the message received.");

            if (!result.IsCompleted)
                return false;

            return message is not null ? true : throw Error(StatusCode.Internal, "Incomplete message.");
        }
        finally
        {
            input.AdvanceTo(buffer.Start, examined);
        }
    }

    private static bool TakeNext<T>(
        PipeReader input, in ReadResult result, ServerCall call, Func<DeserializationContext, T> deserializer, out T? message)
        where T : class
    {
        var buffer = result.Buffer;
        var examined = buffer.End;
        message = null;
        try
        {
            if (result.IsCanceled)
                throw Error(StatusCode.Internal, "Incoming message cancelled.");

            if (TryTake(ref buffer, call, deserializer, out message))
            {
                // What follows is the next message: it must be seen at once by the next read.
                examined = buffer.Start;
                return true;
            }

            if (!result.IsCompleted)
                return false;

            return buffer.IsEmpty ? true : throw Error(StatusCode.Internal, "Incomplete message.");
        }
        finally
        {
            input.AdvanceTo(buffer.Start, examined);
        }
    }

    /// <summary>Takes a message off the front of what has arrived. False while it is not there in full.</summary>
    private static bool TryTake<T>(ref ReadOnlySequence<byte> buffer, ServerCall call, Func<DeserializationContext, T> deserializer, out T? message)
        where T : class
    {
        message = null;
        if (!TryReadHeader(buffer, out var compressed, out var length))
            return false;

        // Refused before it has arrived: the limit is there to save the memory.
        if (length > call.Options.MaxReceiveMessageSize)
            throw Error(StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size.");

        if (buffer.Length - HeaderSize < length)
            return false;

        var payload = buffer.Slice(HeaderSize, length);
        message = compressed ? Decompress(payload, call, deserializer) : MessagePayload.Deserialize(payload, deserializer);
        buffer = buffer.Slice(payload.End);
        return true;
    }

    private static bool TryReadHeader(in ReadOnlySequence<byte> buffer, out bool compressed, out int length)
    {
        compressed = false;
        length = 0;
        if (buffer.Length < HeaderSize)
            return false;

        Span<byte> header = stackalloc byte[HeaderSize];
        buffer.Slice(0, HeaderSize).CopyTo(header);
        compressed = header[0] switch
        {
            0 => false,
            1 => true,
            _ => throw new InvalidDataException("Unexpected compressed flag value in message header."),
        };
        var size = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (size > int.MaxValue)
            throw new IOException($"Message too large: {size}");

        length = (int)size;
        return true;
    }

    private static T Decompress<T>(in ReadOnlySequence<byte> payload, ServerCall call, Func<DeserializationContext, T> deserializer)
    {
        using var plain = new PooledBuffer();
        using (var stream = FindProvider(call).CreateDecompressionStream(new SequenceStream(payload)))
        {
            int count;
            while ((count = stream.Read(plain.GetSpan())) > 0)
            {
                plain.Advance(count);
                if (plain.Length > call.Options.MaxReceiveMessageSize)
                    throw Error(StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size.");
            }
        }

        return MessagePayload.Deserialize(new ReadOnlySequence<byte>(plain.WrittenMemory), deserializer);
    }

    private static ICompressionProvider FindProvider(ServerCall call)
    {
        switch (call.RequestEncoding)
        {
            case null:
                throw Error(StatusCode.Internal, "Request did not include grpc-encoding value with compressed message.");
            case GrpcProtocol.IdentityEncoding:
                throw Error(StatusCode.Internal, "Request sent 'identity' grpc-encoding value with compressed message.");
            case var name when call.Options.CompressionProviders.TryGetValue(name, out var provider):
                return provider;
            case var name:
                var known = call.Options.EncodingNames;
                if (!call.Http.Response.HasStarted)
                    call.Http.Response.Headers.GrpcAcceptEncoding = string.Join(',', known);

                throw Error(
                    StatusCode.Unimplemented, $"Unsupported grpc-encoding value '{name}'. Supported encodings: {string.Join(", ", known)}");
        }
    }

    private static RpcException Error(StatusCode code, string detail) => new(new Status(code, detail));
}
