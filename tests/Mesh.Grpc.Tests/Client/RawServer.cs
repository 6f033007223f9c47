using System.Buffers.Binary;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh.Grpc.Tests.Client;

/// <summary>A Kestrel whose one handler speaks frames by hand, so that it can say what no well-behaved server would.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    internal static readonly Method<string, string> Unary = Make(MethodType.Unary);
    internal static readonly Method<string, string> ServerStream = Make(MethodType.ServerStreaming);
    internal static readonly Method<string, string> ClientStream = Make(MethodType.ClientStreaming);
    internal static readonly Method<string, string> Duplex = Make(MethodType.DuplexStreaming);

    private RawServer(TestServer server) => Server = server;

    internal TestServer Server { get; }

    internal int Port => Server.Port();

    internal static async Task<RawServer> StartAsync(RequestDelegate handler, int port = 0) =>
        new(await TestServer.StartAsync(_ => { }, app => app.Run(handler), port));

    internal GrpcChannel CreateChannel(Action<GrpcChannelOptions>? configure = null)
    {
        var options = new GrpcChannelOptions { DisposeHttpClient = true, HttpHandler = Server.CreateHandler() };
        configure?.Invoke(options);
        return GrpcChannel.ForAddress(Server.Address(), options);
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    private static Method<string, string> Make(MethodType type) =>
        new(type, "mesh.testing.v1.Raw", type.ToString(), Marshallers.StringMarshaller, Marshallers.StringMarshaller);
}

/// <summary>Frames and statuses, written and read by hand.</summary>
internal static class Wire
{
    internal static byte[] Frame(byte[] payload, byte flag = 0)
    {
        var frame = new byte[5 + payload.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), payload.Length);
        payload.CopyTo(frame, 5);
        return frame;
    }

    internal static byte[] Frame(string payload, byte flag = 0) => Frame(Encoding.UTF8.GetBytes(payload), flag);

    internal static void BeginGrpc(this HttpResponse response) => response.ContentType = "application/grpc";

    internal static async Task SendAsync(this HttpResponse response, string payload)
    {
        response.ContentType ??= "application/grpc";
        await response.Body.WriteAsync(Frame(payload));
        await response.Body.FlushAsync();
    }

    internal static void EndWith(this HttpResponse response, StatusCode code, string? message = null)
    {
        response.AppendTrailer("grpc-status", ((int)code).ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (message is not null) response.AppendTrailer("grpc-message", message);
    }

    internal static async Task AnswerAsync(this HttpResponse response, string payload)
    {
        await response.SendAsync(payload);
        response.EndWith(StatusCode.OK);
    }

    /// <summary>A response of headers alone.</summary>
    internal static Task Refuse(this HttpResponse response, StatusCode code, string? message = null)
    {
        response.BeginGrpc();
        response.Headers["grpc-status"] = ((int)code).ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (message is not null) response.Headers["grpc-message"] = message;
        return Task.CompletedTask;
    }

    /// <summary>The next message and its flag, or null at the request's end.</summary>
    internal static async Task<(byte Flag, byte[] Payload)?> ReadFrameAsync(this HttpRequest request)
    {
        var header = new byte[5];
        var count = await request.Body.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false).DefaultTimeout();
        if (count == 0) return null;
        count.ShouldBe(5);
        var payload = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(1))];
        await request.Body.ReadExactlyAsync(payload).DefaultTimeout();
        return (header[0], payload);
    }

    internal static async Task<string?> ReadAsync(this HttpRequest request) => await request.ReadFrameAsync() is { } frame ? Encoding.UTF8.GetString(frame.Payload) : null;

    /// <summary>The failure that a call is expected to end with.</summary>
    internal static async Task<RpcException> FailureAsync(Task call) => await Should.ThrowAsync<RpcException>(() => call.DefaultTimeout());
}
