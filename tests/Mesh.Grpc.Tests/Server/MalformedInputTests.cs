using System.Net.Http.Headers;
using Google.Protobuf;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

/// <summary>
/// A thousand requests, each with something wrong, drawn from a fixed seed. Each has an independently stated set of right answers;
/// after all of them the server serves, and no call is left behind.
/// </summary>
public sealed class MalformedInputTests
{
    private const int Ok = 0;
    private const int Unknown = 2;
    private const int Exhausted = 8;
    private const int Unimplemented = 12;
    private const int Internal = 13;

    private static readonly string[] Paths = [WireClient.Unary, WireClient.ServerStream, WireClient.ClientStream, WireClient.Duplex];
    private static readonly string[] Junk = ["", " ", "0", "-1", "1e3S", "NaN", "18446744073709551616S", "1\t", "S1", "1h", "%%%", new string('9', 200) + "S"];

    private delegate Wrong Maker(Random random, string path);

    private static Maker[] Makers { get; } =
    [
        Truncated, TooLong, BadFlag, NotProtobuf, CompressedUnknown, CompressedGarbage, TwoMessages, ContentType, Path, HttpMethodWrong, Timeout, Metadata,
    ];

    [Fact]
    public async Task AThousandMalformedRequests_AreAnsweredRightAndLeaveNothing()
    {
        await using var host = await ServerHost.StartAsync(options => options.MaxReceiveMessageSize = 100_000);
        host.ExpectHandlerErrors();
        host.Script.Unary = (request, context) =>
        {
            _ = context.Deadline;
            return Task.FromResult(Script.Echo(request));
        };
        var random = new Random(20240607);

        for (var i = 0; i < 1000; i++)
        {
            var maker = Makers[i % Makers.Length];
            var wrong = maker(random, Paths[random.Next(Paths.Length)]);
            var reply = await host.Client.OpenAsync(wrong.Request);
            await reply.ReadToEndAsync();
            var got = ((int)reply.HttpStatus, reply.Status);

            wrong.Right.ShouldContain(got, $"request {i}: {wrong.What}");
            reply.Response.Dispose();
            if (i % 100 == 99)
                await host.Client.ExpectServingAsync();
        }

        await host.Counter.Idle.DefaultTimeout();
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task AHundredAbandonedRequests_LeaveNoCall()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        var random = new Random(11);
        for (var i = 0; i < 100; i++)
        {
            using var content = new OpenContent();
            using var source = new CancellationTokenSource();
            var path = Paths[random.Next(Paths.Length)];
            var open = host.Client.OpenAsync(WireClient.Request(path, content), source.Token);
            await content.WriteAsync(Bytes(random, random.Next(1, 30), first: 0));
            await source.CancelAsync();

            // Cancelled, unless the server refused the garbage first.
            await Record.ExceptionAsync(() => open);
            content.End();
        }

        await host.Counter.Idle.DefaultTimeout();
        await host.Client.ExpectServingAsync();
    }

    private static Wrong Truncated(Random random, string path)
    {
        var whole = WireClient.Frame(new TestRequest { Text = "whole", Payload = ByteString.CopyFrom(Bytes(random, random.Next(1, 400))) });
        var body = whole[..random.Next(1, whole.Length)];
        return Body("truncated", path, body, Internal);
    }

    private static Wrong TooLong(Random random, string path)
    {
        var length = random.Next(100_001, int.MaxValue);
        byte[] body = [0, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, .. Bytes(random, random.Next(0, 50))];
        return Body($"length {length}", path, body, Exhausted);
    }

    private static Wrong BadFlag(Random random, string path)
    {
        var flag = (byte)random.Next(2, 256);
        return Body($"flag {flag}", path, WireClient.Frame(Bytes(random, random.Next(0, 50)), flag), Unknown);
    }

    private static Wrong NotProtobuf(Random random, string path)
    {
        // Field 0 does not exist, so that no continuation makes it a message.
        byte[] payload = [0, .. Bytes(random, random.Next(0, 100))];
        return Body("not protobuf", path, WireClient.Frame(payload), Unknown);
    }

    private static Wrong CompressedUnknown(Random random, string path)
    {
        var (encoding, right) = random.Next(3) switch
        {
            0 => ("identity", Internal),
            1 => ($"x{random.Next()}", Unimplemented),
            _ => (null, Internal),
        };
        var body = WireClient.Frame(Bytes(random, random.Next(0, 60)), flag: 1);
        return Body($"encoding {encoding}", path, body, right, encoding is null ? [] : [("grpc-encoding", encoding)]);
    }

    private static Wrong CompressedGarbage(Random random, string path)
    {
        // Not gzip's magic number, which is two bytes: of a single one nothing can be told yet.
        var body = WireClient.Frame(Bytes(random, random.Next(2, 60), first: 0x20), flag: 1);
        return Body("garbage as gzip", path, body, Unknown, ("grpc-encoding", "gzip"));
    }

    private static Wrong TwoMessages(Random random, string path)
    {
        byte[] body = [.. WireClient.Frame(new TestRequest { Text = "one" }), .. WireClient.Frame(Bytes(random, 3, first: 0), flag: 9)];
        var streams = path is WireClient.ClientStream or WireClient.Duplex;
        return Body("two messages, the second broken", path, body, streams ? Unknown : Internal);
    }

    private static Wrong ContentType(Random random, string path)
    {
        string[] types = ["application/json", "application/grpc-web", "application/grpc-web+proto", "text/html; charset=utf-8", "application/grpcx", "*/*"];
        var type = types[random.Next(types.Length)];
        var content = new ByteArrayContent(Bytes(random, random.Next(0, 40)));
        content.Headers.TryAddWithoutValidation("Content-Type", type).ShouldBeTrue();
        return new Wrong($"content type {type}", WireClient.Request(path, content), [(415, Internal)]);
    }

    private static Wrong Path(Random random, string path)
    {
        var request = WireClient.Request("/", new ByteArrayContent(Bytes(random, random.Next(0, 40))));
        var (wrong, right) = random.Next(5) switch
        {
            0 => (path + "x", (200, (int?)Unimplemented)),
            1 => ("/mesh.testing.v2.TestService/Unary", (200, Unimplemented)),
            2 => ($"/{new string('a', random.Next(1, 500))}/b", (200, Unimplemented)),
            3 => (path + "/deeper/still", (404, null)),
            _ => ("/%F0%9F%8D%8E", (404, null)),
        };
        request.RequestUri = new Uri(wrong, UriKind.Relative);
        return new Wrong($"path {wrong}", request, [right]);
    }

    private static Wrong HttpMethodWrong(Random random, string path)
    {
        string[] methods = ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"];
        var request = WireClient.Request(path, new ByteArrayContent([]));
        request.Method = new HttpMethod(methods[random.Next(methods.Length)]);
        return new Wrong($"method {request.Method}", request, [(404, null)]);
    }

    private static Wrong Timeout(Random random, string path)
    {
        // A timeout that cannot be read is none: the call goes on.
        var timeout = Junk[random.Next(Junk.Length)];
        return Body($"timeout '{timeout}'", path, WireClient.Frame(new TestRequest { Text = "t" }), Ok, ("grpc-timeout", timeout));
    }

    private static Wrong Metadata(Random random, string path)
    {
        var name = $"x-{random.Next():x}" + (random.Next(2) == 0 ? "-bin" : "");
        var value = new string([.. Enumerable.Range(0, random.Next(0, 2000)).Select(_ => (char)random.Next(0x21, 0x7F))]);
        return Body($"header {name}", path, WireClient.Frame(new TestRequest()), Ok, (name, value), ("grpc-accept-encoding", value), ("grpc-encoding", "gzip"));
    }

    private static Wrong Body(string what, string path, byte[] body, int right, params (string Name, string Value)[] headers)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        return new Wrong($"{what} to {path}", WireClient.Request(path, content, headers), [(200, right)]);
    }

    private static byte[] Bytes(Random random, int count, byte? first = null)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        if (first is { } value && count > 0)
            bytes[0] = value;
        return bytes;
    }

    private sealed record Wrong(string What, HttpRequestMessage Request, (int Http, int? Grpc)[] Right);
}
