using Google.Protobuf;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

public sealed class StreamingCallTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(200)]
    public async Task ServerStream_Replies_ArriveInOrder(int count)
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.ServerStream, new TestRequest { Text = "s", Count = count });

        reply.Status.ShouldBe(0);
        Enumerable.Range(0, reply.Messages.Count).Select(i => reply.Reply(i).Index).ShouldBe(Enumerable.Range(0, count));
    }

    [Fact]
    public async Task ServerStream_EachReply_IsSentWhenWritten()
    {
        await using var host = await ServerHost.StartAsync();
        var release = new TaskCompletionSource();
        host.Script.ServerStream = async (request, replies, _) =>
        {
            await replies.WriteAsync(Script.Echo(request));
            await release.Task;
        };

        var reply = await host.Client.OpenAsync(WireClient.Request(WireClient.ServerStream, new ByteArrayContent(WireClient.Frame(new TestRequest()))));
        (await reply.ReadAsync()).ShouldBeTrue();
        release.SetResult();
        await reply.ReadToEndAsync();

        reply.Messages.Count.ShouldBe(1);
        reply.Status.ShouldBe(0);
    }

    [Fact]
    public async Task ServerStream_BufferHint_StillSendsAllAtTheEnd()
    {
        await using var host = await ServerHost.StartAsync();
        host.Script.ServerStream = async (request, replies, _) =>
        {
            replies.WriteOptions = new WriteOptions(WriteFlags.BufferHint);
            for (var i = 0; i < request.Count; i++)
                await replies.WriteAsync(Script.Echo(request, i));
        };

        var reply = await host.Client.CallAsync(WireClient.ServerStream, new TestRequest { Count = 50, Payload = ByteString.CopyFrom(new byte[3000]) });

        reply.Messages.Count.ShouldBe(50);
        reply.Status.ShouldBe(0);
    }

    [Fact]
    public async Task ServerStream_FailsAfterReplies_SendsThemAndTheStatus()
    {
        await using var host = await ServerHost.StartAsync();
        host.Script.ServerStream = async (request, replies, _) =>
        {
            await replies.WriteAsync(Script.Echo(request));
            throw new RpcException(new Status(StatusCode.Aborted, "midway"));
        };

        var reply = await host.Client.CallAsync(WireClient.ServerStream, new TestRequest());

        reply.Messages.Count.ShouldBe(1);
        reply.IsTrailersOnly.ShouldBeFalse();
        reply.Status.ShouldBe((int)StatusCode.Aborted);
        reply.Detail.ShouldBe("midway");
    }

    [Fact]
    public async Task ServerStream_WritesNull_Fails()
    {
        await using var host = await ServerHost.StartAsync();
        Exception? thrown = null;
        host.Script.ServerStream = async (_, replies, _) => thrown = await Record.ExceptionAsync(() => replies.WriteAsync(null!));

        (await host.Client.CallAsync(WireClient.ServerStream, new TestRequest())).Status.ShouldBe(0);

        thrown.ShouldBeOfType<ArgumentNullException>();
    }

    [Fact]
    public async Task ServerStream_WritesAfterItsEnd_Fails()
    {
        await using var host = await ServerHost.StartAsync();
        IServerStreamWriter<TestReply>? kept = null;
        host.Script.ServerStream = (_, replies, _) =>
        {
            kept = replies;
            return Task.CompletedTask;
        };

        (await host.Client.CallAsync(WireClient.ServerStream, new TestRequest())).Status.ShouldBe(0);

        await host.Counter.Idle.DefaultTimeout();
        var thrown = await Should.ThrowAsync<InvalidOperationException>(() => kept!.WriteAsync(new TestReply()));
        thrown.Message.ShouldBe("Can't write the message because the request is complete.");
    }

    [Fact]
    public async Task ServerStream_SlowReader_HoldsTheWriterBack()
    {
        await using var host = await ServerHost.StartAsync();
        var blocked = new TaskCompletionSource();
        var written = 0;
        host.Script.ServerStream = async (request, replies, _) =>
        {
            var reply = new TestReply { Payload = UnsafeByteOperations.UnsafeWrap(new byte[256 * 1024]) };
            for (var i = 0; i < request.Count; i++)
            {
                var write = replies.WriteAsync(reply);
                if (!write.IsCompleted)
                    blocked.TrySetResult();
                await write;
                written++;
            }
        };

        var reply = await host.Client.OpenAsync(
            WireClient.Request(WireClient.ServerStream, new ByteArrayContent(WireClient.Frame(new TestRequest { Count = 400 }))));
        await blocked.Task.DefaultTimeout();
        await reply.ReadToEndAsync();

        reply.Messages.Count.ShouldBe(400);
        reply.Status.ShouldBe(0);
        written.ShouldBe(400);
    }

    [Fact]
    public async Task ClientStream_Requests_AreAllRead()
    {
        await using var host = await ServerHost.StartAsync();
        byte[] body = [.. WireClient.Frame(new TestRequest { Text = "a" }), .. WireClient.Frame(new TestRequest { Text = "b", Payload = ByteString.CopyFrom(7) })];

        var reply = await host.Client.CallAsync(WireClient.ClientStream, body);

        reply.Status.ShouldBe(0);
        reply.Reply().ShouldBe(new TestReply { Text = "ab", Index = 2, ReceivedBytes = 1 });
    }

    [Fact]
    public async Task ClientStream_NoRequest_IsAnEmptyStream()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.ClientStream, Array.Empty<byte>());

        reply.Status.ShouldBe(0);
        reply.Reply().Index.ShouldBe(0);
    }

    [Fact]
    public async Task ClientStream_AnsweredEarly_DoesNotWaitForTheRest()
    {
        await using var host = await ServerHost.StartAsync();
        host.Script.ClientStream = async (requests, _) =>
        {
            (await requests.MoveNext(CancellationToken.None)).ShouldBeTrue();
            return Script.Echo(requests.Current);
        };
        using var content = new OpenContent();

        var open = host.Client.OpenAsync(WireClient.Request(WireClient.ClientStream, content));
        await content.WriteAsync(WireClient.Frame(new TestRequest { Text = "first" }));
        var reply = await open;
        await reply.ReadToEndAsync();
        content.End();

        reply.Reply().Text.ShouldBe("first");
        reply.Status.ShouldBe(0);
    }

    [Fact]
    public async Task Duplex_RequestsOneByOne_AreAnsweredOneByOne()
    {
        await using var host = await ServerHost.StartAsync();
        using var content = new OpenContent();
        var open = host.Client.OpenAsync(WireClient.Request(WireClient.Duplex, content));
        WireReply? reply = null;
        for (var i = 0; i < 5; i++)
        {
            await content.WriteAsync(WireClient.Frame(new TestRequest { Text = $"n{i}" }));
            reply ??= await open;
            (await reply.ReadAsync()).ShouldBeTrue();
            reply.Reply(i).Text.ShouldBe($"n{i}");
        }
        content.End();
        await reply!.ReadToEndAsync();

        reply.Messages.Count.ShouldBe(5);
        reply.Status.ShouldBe(0);
    }

    [Fact]
    public async Task Duplex_MessagesInPieces_AreJoined()
    {
        await using var host = await ServerHost.StartAsync();
        using var content = new OpenContent();
        byte[] body = [.. WireClient.Frame(new TestRequest { Text = "pieces" }), .. WireClient.Frame(new TestRequest { Text = "of eight" })];
        var open = host.Client.OpenAsync(WireClient.Request(WireClient.Duplex, content));
        foreach (var part in body.Chunk(3))
            await content.WriteAsync(part);
        content.End();
        var reply = await open;
        await reply.ReadToEndAsync();

        reply.Status.ShouldBe(0);
        reply.Reply(0).Text.ShouldBe("pieces");
        reply.Reply(1).Text.ShouldBe("of eight");
    }

    [Fact]
    public async Task Duplex_TwoWritesAtOnce_SecondFails()
    {
        await using var host = await ServerHost.StartAsync();
        Exception? thrown = null;
        host.Script.Duplex = async (_, replies, _) =>
        {
            var large = new TestReply { Payload = UnsafeByteOperations.UnsafeWrap(new byte[8 * 1024 * 1024]) };
            var first = replies.WriteAsync(large);
            thrown = await Record.ExceptionAsync(() => replies.WriteAsync(large));
            await first;
        };
        var reply = await host.Client.OpenAsync(WireClient.Request(WireClient.Duplex, new ByteArrayContent([])));
        await reply.ReadToEndAsync();

        reply.Status.ShouldBe(0);
        reply.Messages.Count.ShouldBe(1);
        thrown.ShouldBeOfType<InvalidOperationException>().Message.ShouldBe("Can't write the message because the previous write is in progress.");
    }

    [Fact]
    public async Task Duplex_ReadCancelledByItsToken_LeavesTheStreamReadable()
    {
        await using var host = await ServerHost.StartAsync();
        using var content = new OpenContent();
        var cancelled = new TaskCompletionSource<Exception?>();
        host.Script.Duplex = async (requests, replies, _) =>
        {
            using var source = new CancellationTokenSource();
            var read = requests.MoveNext(source.Token);
            await source.CancelAsync();
            cancelled.SetResult(await Record.ExceptionAsync(() => read));
            (await requests.MoveNext(CancellationToken.None)).ShouldBeTrue();
            await replies.WriteAsync(Script.Echo(requests.Current));
        };

        var open = host.Client.OpenAsync(WireClient.Request(WireClient.Duplex, content));
        (await cancelled.Task.DefaultTimeout()).ShouldBeAssignableTo<OperationCanceledException>();
        await content.WriteAsync(WireClient.Frame(new TestRequest { Text = "later" }));
        content.End();
        var reply = await open;
        await reply.ReadToEndAsync();

        reply.Reply().Text.ShouldBe("later");
        reply.Status.ShouldBe(0);
    }
}
