using Mesh.Testing;
using StackExchange.Redis;

namespace Mesh.Store.Tests;

/// <summary>Against a real server that answers, hangs, dies and comes back.</summary>
public sealed class SharedCacheTests
{
    private static readonly SharedCacheOptions Patient = new() { Timeout = TimeSpan.FromSeconds(20) };
    private static readonly SharedCacheOptions Brisk = new() { Timeout = TimeSpan.FromMilliseconds(100), FailuresBeforeBreak = 2, Break = TimeSpan.FromMilliseconds(500) };

    [Fact]
    public async Task Value_SetByOneReplica_IsFoundByAnother()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var one = new RedisLink(redis.Connection);
        await using var other = new RedisLink(redis.Connection);
        await new SharedCache(one, Patient).SetAsync("k", new byte[] { 1, 2, 3 }, CancellationToken.None).DefaultTimeout();
        var cache = new SharedCache(other, Patient);

        (await cache.GetAsync("k", CancellationToken.None).DefaultTimeout()).ShouldBe([1, 2, 3]);
        (await cache.GetAsync("other", CancellationToken.None).DefaultTimeout()).ShouldBeNull();
        cache.Statistics.ShouldBe(new SharedCacheStatistics(Hits: 1, Misses: 1, Corrupt: 0, Bypassed: 0));
    }

    [Theory]
    [InlineData("", "an empty value")]
    [InlineData("4d534831", "a value cut off after its mark")]
    [InlineData("00112233445566778899", "something else")]
    public async Task Value_NotAsItWasWritten_IsAMiss(string hexadecimal, string what)
    {
        await using var redis = await RedisServer.StartAsync();
        await using var link = new RedisLink(redis.Connection);
        var cache = new SharedCache(link, Patient);
        var database = await link.DatabaseAsync(CancellationToken.None).DefaultTimeout();
        await database.StringSetAsync("mesh:cache:k", Convert.FromHexString(hexadecimal), null, When.Always, CommandFlags.None).DefaultTimeout();

        (await cache.GetAsync("k", CancellationToken.None).DefaultTimeout()).ShouldBeNull(what);
        cache.Statistics.Corrupt.ShouldBe(1);
    }

    [Fact]
    public async Task Value_WithOneBitChanged_IsAMiss()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var link = new RedisLink(redis.Connection);
        var cache = new SharedCache(link, Patient);
        await cache.SetAsync("k", new byte[100], CancellationToken.None).DefaultTimeout();
        var database = await link.DatabaseAsync(CancellationToken.None).DefaultTimeout();
        await database.StringSetBitAsync("mesh:cache:k", 500, true).DefaultTimeout();

        (await cache.GetAsync("k", CancellationToken.None).DefaultTimeout()).ShouldBeNull();
        cache.Statistics.Corrupt.ShouldBe(1);
    }

    [Fact]
    public async Task Value_HasAnEnd_SoThatTheServerCanLetItGo()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var link = new RedisLink(redis.Connection);
        await new SharedCache(link, Patient with { Lifetime = TimeSpan.FromHours(2) }).SetAsync("k", new byte[] { 1 }, CancellationToken.None).DefaultTimeout();

        var left = await (await link.DatabaseAsync(CancellationToken.None)).KeyTimeToLiveAsync("mesh:cache:k").DefaultTimeout();

        left!.Value.ShouldBeInRange(TimeSpan.FromMinutes(110), TimeSpan.FromHours(2));
    }

    [Fact]
    public async Task Server_NeverThere_MeansMissesAndIsToldOnce()
    {
        var told = new List<bool>();
        await using var link = new RedisLink("127.0.0.1:1");
        var cache = new SharedCache(link, Brisk with { Break = TimeSpan.FromMinutes(1) });
        cache.AvailabilityChanged += (available, _) => told.Add(available);

        for (var i = 0; i < 10; i++) (await cache.GetAsync("k", CancellationToken.None).DefaultTimeout()).ShouldBeNull();
        await cache.SetAsync("k", new byte[] { 1 }, CancellationToken.None).DefaultTimeout();

        told.ShouldBe([false]);
        cache.IsAvailable.ShouldBeFalse();
        cache.Statistics.Bypassed.ShouldBe(11);
    }

    [Fact]
    public async Task Server_Hanging_CostsAFewTimeoutsAndThenNothing()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var link = new RedisLink(redis.Connection);
        var cache = new SharedCache(link, Brisk with { Break = TimeSpan.FromMinutes(1) });
        await UntilFound(cache, "k");

        await redis.HangAsync();
        for (var i = 0; i < 10; i++) (await cache.GetAsync("k", CancellationToken.None).DefaultTimeout()).ShouldBeNull();
        await redis.GoOnAsync();

        cache.IsAvailable.ShouldBeFalse();
        cache.Statistics.Bypassed.ShouldBeGreaterThanOrEqualTo(10);
    }

    [Fact]
    public async Task Server_BackAgain_IsUsedAgain()
    {
        await using var redis = await RedisServer.StartAsync(appendOnly: true);
        await using var link = new RedisLink(redis.Connection);
        var cache = new SharedCache(link, Brisk);
        await UntilFound(cache, "k");
        await redis.StopAsync();
        while (cache.IsAvailable) await cache.GetAsync("k", CancellationToken.None).DefaultTimeout();

        await redis.StartAgainAsync();

        await UntilFound(cache, "k");
        cache.IsAvailable.ShouldBeTrue();
    }

    [Fact]
    public async Task Caller_WhoCancels_IsToldSo()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var link = new RedisLink(redis.Connection);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => new SharedCache(link, Patient).GetAsync("k", cancelled.Token).DefaultTimeout());
    }

    [Fact]
    public void Link_ToNothing_IsRefused() => Should.Throw<ArgumentException>(() => new RedisLink("abortConnect=false")).Message.ShouldContain("names no Redis server");

    /// <summary>Sets and asks until the value is there: a new connection may take longer than a brisk cache waits.</summary>
    private static async Task UntilFound(SharedCache cache, string key)
    {
        using var end = new CancellationTokenSource(TimeoutExtensions.Default);
        do await cache.SetAsync(key, new byte[] { 7 }, end.Token).DefaultTimeout();
        while (await cache.GetAsync(key, end.Token).DefaultTimeout() is not [7]);
    }
}
