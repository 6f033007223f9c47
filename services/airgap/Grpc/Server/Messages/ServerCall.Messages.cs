using System.IO.Pipelines;
using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

internal sealed partial class ServerCall
{
    /// <summary>Puts a message into the response, whole. False when the deadline has answered the call already.</summary>
    internal bool TryWrite<T>(PipeWriter output, T message, WriteOptions? options, Action<T, SerializationContext> serializer)
    {
        if (Gate is not { } gate)
        {
            MessageWriter.Write(this, output, message, options, serializer);
            return true;
        }

        lock (gate)
        {
            if (IsDeadlineExceeded)
                return false;

            MessageWriter.Write(this, output, message, options, serializer);
            return true;
        }
    }

    /// <summary>Writes the one message of a response. It is sent with the trailers, in as few frames as there can be.</summary>
    internal async Task WriteSingleAsync<T>(T? message, Action<T, SerializationContext> serializer)
        where T : class
    {
        if (message is null)
            throw new RpcException(new Status(StatusCode.Cancelled, "No message returned from method."));

        if (IsDeadlineExceeded)
            return;

        var response = Http.Response;
        if (!response.HasStarted)
            await response.StartAsync().ConfigureAwait(false);

        TryWrite(response.BodyWriter, message, WriteOptionsCore, serializer);
    }
}
