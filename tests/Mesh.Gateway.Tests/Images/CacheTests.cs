using Google.Protobuf;
using Mesh.Contracts.Image.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;

namespace Mesh.Gateway.Tests.Images;

public sealed class CacheTests
{
    // A busy machine is no dead server.
    private static readonly (string, string) Patient = ("Mesh:Redis:Timeout", "00:00:05");

    [Fact]
    public async Task Embedding_ManyAskAtOnce_IsMadeOnce()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Text.Hold();
        var drawings = Enumerable.Range(0, 8).Select(i => mesh.Images.DrawAsync(new GenerateRequest { Prompt = "a red apple", Seeds = { (ulong)i } })).ToList();
        await FakeCalls.UntilAsync(async () => (await mesh.Gateway.StatusAsync()).Calls == 8 && mesh.Text.Running == 1);

        mesh.Text.Release();

        foreach (var drawn in await Task.WhenAll(drawings).DefaultTimeout()) drawn.Completed.Count.ShouldBe(1);
        mesh.Text.Received.ShouldBe(1);
    }

    [Fact]
    public async Task Embedding_TwoGatewaysOneRedis_IsShared()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var mesh = await FakeMesh.StartAsync(settings: [("Mesh:Redis:Cache", redis.Connection), Patient]);
        var second = await mesh.AddGatewayAsync(settings: [("Mesh:Redis:Cache", redis.Connection), Patient]);
        var first = await mesh.Images.DrawAsync(FakeCalls.Request());
        await UntilKeysAsync(redis, 1);

        var again = await second.Images.DrawAsync(FakeCalls.Request());

        (first.Encoded.Cache, again.Encoded.Cache).ShouldBe((CacheOutcome.Miss, CacheOutcome.Shared));
        again.File().ShouldBe(first.File());
        mesh.Text.Received.ShouldBe(1);
        (await second.Images.GetCapabilitiesAsync(new())).SharedCache.ShouldBeTrue();
    }

    [Theory]
    [InlineData("cut off")]
    [InlineData("written over")]
    [InlineData("of another kind")]
    [InlineData("with a wrong shape")]
    public async Task Embedding_InRedisSpoilt_IsMadeAgain(string how)
    {
        await using var redis = await RedisServer.StartAsync();
        await using var mesh = await FakeMesh.StartAsync(settings: [("Mesh:Redis:Cache", redis.Connection), Patient, ("Mesh:Gateway:LocalCacheBytes", "0")]);
        var first = await mesh.Images.DrawAsync(FakeCalls.Request());
        var key = await UntilKeysAsync(redis, 1);
        await SpoilAsync(mesh, redis, key, how);

        var second = await mesh.Images.DrawAsync(FakeCalls.Request());

        second.Encoded.Cache.ShouldBe(CacheOutcome.Miss);
        second.File().ShouldBe(first.File());
        await FakeCalls.UntilAsync(async () => (await mesh.Images.DrawAsync(FakeCalls.Request())).Encoded.Cache == CacheOutcome.Shared);
    }

    [Fact]
    public async Task Embedding_RedisHangsStopsAndReturns_NoCallIsLost()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Redis:Cache", redis.Connection));
        var number = 0;
        async Task DrawAsync() => (await mesh.Images.DrawAsync(FakeCalls.Request($"apple {number++}"))).Completed.Count.ShouldBe(1);
        await DrawAsync();

        await redis.HangAsync();
        for (var i = 0; i < 5; i++) await DrawAsync();
        await redis.GoOnAsync();
        await redis.StopAsync();
        for (var i = 0; i < 5; i++) await DrawAsync();
        (await mesh.Images.GetCapabilitiesAsync(new())).SharedCache.ShouldBeFalse();
        await redis.StartAgainAsync();

        // The breaker tries again after its pause.
        while (!(await mesh.Images.GetCapabilitiesAsync(new())).SharedCache) await DrawAsync();
        mesh.Gateway.Logs.Lines.Count(x => x.Event.Id == 3002).ShouldBe(1);
    }

    [Fact]
    public async Task Embedding_NegativePrompt_OutlivesAFloodOfPrompts()
    {
        // Room for a handful of embeddings.
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Gateway:LocalCacheBytes", "4000"));
        var request = FakeCalls.Request();
        (request.Guidance, request.NegativePrompt) = (3, "leaves");

        for (var i = 0; i < 30; i++)
        {
            request.Prompt = $"apple {i}";
            await mesh.Images.DrawAsync(request);
        }
        request.Prompt = "apple 0";
        await mesh.Images.DrawAsync(request);

        mesh.Text.Requests.Count(x => x.Prompt == "leaves").ShouldBe(1);
        mesh.Text.Requests.Count(x => x.Prompt == "apple 0").ShouldBe(2);
    }

    private static async Task<RedisKey> UntilKeysAsync(RedisServer redis, int count)
    {
        using var link = await ConnectionMultiplexer.ConnectAsync(redis.Connection + ",syncTimeout=30000");
        var server = link.GetServer("127.0.0.1", redis.Port);
        await FakeCalls.UntilAsync(() => server.Keys(pattern: "mesh:embedding:*").Count() == count);
        return server.Keys(pattern: "mesh:embedding:*").First();
    }

    private static async Task SpoilAsync(FakeMesh mesh, RedisServer redis, RedisKey key, string how)
    {
        using var link = await ConnectionMultiplexer.ConnectAsync(redis.Connection + ",syncTimeout=30000");
        var database = link.GetDatabase();
        var value = (byte[])(await database.StringGetAsync(key))!;
        var shared = mesh.Gateway.Services.GetRequiredService<GatewayRedis>().Embeddings!;
        var name = ((string)key!)["mesh:embedding:".Length..];
        switch (how)
        {
            case "cut off":
                await database.StringSetAsync(key, value[..^7]);
                break;
            case "written over":
                value[^1] ^= 1;
                await database.StringSetAsync(key, value);
                break;
            case "of another kind":
                await shared.SetAsync(name, "whole, but no embedding"u8.ToArray(), default);
                break;
            default:
                var embedding = Embedding.Parser.ParseFrom(await shared.GetAsync(name, default));
                embedding.Context.Shape[0] = 3;
                await shared.SetAsync(name, embedding.ToByteArray(), default);
                break;
        }
    }
}
