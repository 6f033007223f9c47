using System.IO.Compression;
using System.Text;
using Grpc.Core;
using Grpc.Net.Compression;
using Mesh.Testing;

namespace Mesh.Grpc.Tests.Client;

public sealed class CompressionTests
{
    private static readonly string Text = string.Concat(Enumerable.Repeat("compressible ", 1000));

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task Response_Compressed_IsReadable(string encoding)
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.Headers["grpc-encoding"] = encoding;
            context.Response.BeginGrpc();
            await context.Response.Body.WriteAsync(Wire.Frame(Compress(encoding, Text), 1));
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();

        var reply = await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout();

        reply.ShouldBe(Text);
    }

    [Fact]
    public async Task Response_CompressedStreamWithPlainMessages_BothAreRead()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.Headers["grpc-encoding"] = "gzip";
            await context.Response.SendAsync("plain");
            await context.Response.Body.WriteAsync(Wire.Frame(Compress("gzip", Text), 1));
            await context.Response.AnswerAsync("plain again");
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");

        var all = new List<string>();
        await foreach (var message in call.ResponseStream.ReadAllAsync()) all.Add(message);

        all.ShouldBe(["plain", Text, "plain again"]);
    }

    [Theory]
    [InlineData(null, StatusCode.Internal)]
    [InlineData("identity", StatusCode.Internal)]
    [InlineData("snappy", StatusCode.Unimplemented)]
    public async Task Response_CompressedWithoutAKnownEncoding_Fails(string? encoding, StatusCode expected)
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            if (encoding is not null) context.Response.Headers["grpc-encoding"] = encoding;
            context.Response.BeginGrpc();
            await context.Response.Body.WriteAsync(Wire.Frame(Compress("gzip", Text), 1));
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel();

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(expected);
    }

    [Fact]
    public async Task Response_SmallUntilDecompressed_IsLimitedToo()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.Headers["grpc-encoding"] = "gzip";
            context.Response.BeginGrpc();
            await context.Response.Body.WriteAsync(Wire.Frame(Compress("gzip", Text), 1));
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel(options => options.MaxReceiveMessageSize = Text.Length - 1);

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
    }

    [Fact]
    public async Task Request_CompressionAsked_IsSentCompressedUnlessAMessageSaysNo()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            var seen = new List<string> { context.Request.Headers["grpc-encoding"].ToString(), context.Request.Headers.ContainsKey("grpc-internal-encoding-request").ToString() };
            while (await context.Request.ReadFrameAsync() is { } frame)
            {
                var text = frame.Flag == 1 ? Decompress(frame.Payload) : Encoding.UTF8.GetString(frame.Payload);
                seen.Add($"{frame.Flag}:{text == Text}:{frame.Payload.Length < Text.Length / 2}");
            }
            await context.Response.AnswerAsync(string.Join(' ', seen));
        });
        using var channel = server.CreateChannel();
        using var call = channel.CreateCallInvoker().AsyncClientStreamingCall(RawServer.ClientStream, null, new CallOptions(new Metadata { { "grpc-internal-encoding-request", "gzip" } }));

        await call.RequestStream.WriteAsync(Text).DefaultTimeout();
        call.RequestStream.WriteOptions = new WriteOptions(WriteFlags.NoCompress);
        await call.RequestStream.WriteAsync(Text).DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();

        (await call.ResponseAsync.DefaultTimeout()).ShouldBe("gzip False 1:True:True 0:True:False");
    }

    [Fact]
    public async Task Request_UnknownCompressionAsked_FailsAsInternal()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync(""));
        using var channel = server.CreateChannel();

        var options = new CallOptions(new Metadata { { "grpc-internal-encoding-request", "nothing-like-it" } });
        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, options, "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Internal);
    }

    [Fact]
    public async Task Providers_OwnOne_IsAnnouncedAndUsed()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            context.Response.Headers["grpc-encoding"] = "own";
            context.Response.BeginGrpc();
            await context.Response.Body.WriteAsync(Wire.Frame(Compress("gzip", context.Request.Headers["grpc-accept-encoding"].ToString()), 1));
            context.Response.EndWith(StatusCode.OK);
        });
        using var channel = server.CreateChannel(options => options.CompressionProviders = [new OwnProvider()]);

        (await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout()).ShouldBe("identity,own");
    }

    private static byte[] Compress(string encoding, string text)
    {
        using var bytes = new MemoryStream();
        using (Stream compressor = encoding == "gzip" ? new GZipStream(bytes, CompressionLevel.Fastest) : new ZLibStream(bytes, CompressionLevel.Fastest))
        {
            compressor.Write(Encoding.UTF8.GetBytes(text));
        }
        return bytes.ToArray();
    }

    private static string Decompress(byte[] payload)
    {
        using var reader = new StreamReader(new GZipStream(new MemoryStream(payload), CompressionMode.Decompress));
        return reader.ReadToEnd();
    }

    private sealed class OwnProvider : ICompressionProvider
    {
        private readonly GzipCompressionProvider _gzip = new(CompressionLevel.Fastest);

        public string EncodingName => "own";

        public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) => _gzip.CreateCompressionStream(stream, compressionLevel);

        public Stream CreateDecompressionStream(Stream stream) => _gzip.CreateDecompressionStream(stream);
    }
}
