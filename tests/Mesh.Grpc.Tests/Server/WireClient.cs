using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

/// <summary>A gRPC client of nothing but HttpClient and hand-made frames, so that the server's tests do not lean on the client's code.</summary>
internal sealed class WireClient(HttpMessageHandler handler, Uri address) : IDisposable
{
    internal const string Service = "/mesh.testing.v1.TestService/";
    internal const string Unary = Service + "Unary";
    internal const string ServerStream = Service + "ServerStream";
    internal const string ClientStream = Service + "ClientStream";
    internal const string Duplex = Service + "Duplex";

    private readonly HttpClient _http = new(handler)
    {
        BaseAddress = address,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public void Dispose() => _http.Dispose();

    /// <summary>A message behind its five-byte prefix.</summary>
    internal static byte[] Frame(byte[] payload, byte flag = 0)
    {
        var frame = new byte[5 + payload.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)payload.Length);
        payload.CopyTo(frame, 5);
        return frame;
    }

    internal static byte[] Frame(IMessage message) => Frame(message.ToByteArray());

    internal static byte[] Gzip(byte[] data)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest))
            gzip.Write(data);
        return output.ToArray();
    }

    internal static HttpRequestMessage Request(string path, HttpContent content, params (string Name, string Value)[] headers)
    {
        content.Headers.ContentType ??= new MediaTypeHeaderValue("application/grpc");
        var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = content,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value).ShouldBeTrue();
        return request;
    }

    /// <summary>Sends a request and returns once the response's headers are there.</summary>
    internal async Task<WireReply> OpenAsync(HttpRequestMessage request, CancellationToken cancellation = default)
    {
        var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).DefaultTimeout();
        return new WireReply(response, await response.Content.ReadAsStreamAsync(cancellation).DefaultTimeout());
    }

    /// <summary>Sends a body and reads the response to its end.</summary>
    internal async Task<WireReply> CallAsync(string path, byte[] body, params (string Name, string Value)[] headers)
    {
        var reply = await OpenAsync(Request(path, new ByteArrayContent(body), headers));
        await reply.ReadToEndAsync();
        return reply;
    }

    internal Task<WireReply> CallAsync(string path, IMessage message, params (string Name, string Value)[] headers)
        => CallAsync(path, Frame(message), headers);

    /// <summary>Calls the unary method and expects it to echo.</summary>
    internal async Task ExpectServingAsync()
    {
        var reply = await CallAsync(Unary, new TestRequest { Text = "still there?" });
        reply.Status.ShouldBe(0, reply.Detail);
        TestReply.Parser.ParseFrom(reply.Messages.Single().Payload).Text.ShouldBe("still there?");
    }
}

/// <summary>A response as it came over the wire.</summary>
internal sealed class WireReply(HttpResponseMessage response, Stream body)
{
    internal List<(byte Flag, byte[] Payload)> Messages { get; } = [];

    internal HttpStatusCode HttpStatus => response.StatusCode;

    internal HttpResponseMessage Response => response;

    internal string? ContentType => response.Content.Headers.ContentType?.ToString();

    internal bool IsTrailersOnly => response.Headers.Contains("grpc-status");

    /// <summary>The grpc-status; null where there is none.</summary>
    internal int? Status => Trailer("grpc-status") is { } status ? int.Parse(status) : null;

    /// <summary>The grpc-message, decoded.</summary>
    internal string? Detail => Trailer("grpc-message") is { } message ? Uri.UnescapeDataString(message) : null;

    internal string? Header(string name) => response.Headers.TryGetValues(name, out var values) ? string.Join(',', values) : null;

    internal string? Trailer(string name)
        => response.TrailingHeaders.TryGetValues(name, out var values) ? string.Join(',', values) : IsTrailersOnly ? Header(name) : null;

    /// <summary>The next message; false at the end of the body.</summary>
    internal async Task<bool> ReadAsync()
    {
        var prefix = new byte[5];
        var got = await body.ReadAtLeastAsync(prefix, 5, throwOnEndOfStream: false).DefaultTimeout();
        if (got == 0)
            return false;
        got.ShouldBe(5);
        var payload = new byte[BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1))];
        await body.ReadExactlyAsync(payload).DefaultTimeout();
        Messages.Add((prefix[0], payload));
        return true;
    }

    internal async Task ReadToEndAsync()
    {
        // An answer that is no gRPC has a body of its own, if any.
        if (ContentType != "application/grpc")
            return;
        while (await ReadAsync())
        {
        }
    }

    internal TestReply Reply(int index = 0) => TestReply.Parser.ParseFrom(Messages[index].Payload);
}

/// <summary>A request body that the test writes while the call runs.</summary>
internal sealed class OpenContent : HttpContent
{
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal async Task WriteAsync(byte[] bytes)
    {
        var stream = await _stream.Task.DefaultTimeout();
        await stream.WriteAsync(bytes).DefaultTimeout();
        await stream.FlushAsync().DefaultTimeout();
    }

    internal void End() => _end.TrySetResult();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The headers go out with the first bytes, or with this flush where the test writes none.
        await stream.FlushAsync(cancellationToken);
        _stream.SetResult(stream);
        await _end.Task.WaitAsync(cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
