using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.FunctionalTests.Requests;
using Mesh.Testing;

namespace Mesh.FunctionalTests.Outages;

/// <summary>A mesh with a Redis, whose gateway keeps no embedding itself.</summary>
public sealed class RedisMesh : IAsyncLifetime
{
    private RunningMesh? _mesh;

    public RedisServer Redis { get; private set; } = null!;

    public RunningMesh Mesh => _mesh!;

    public MeshFront Front => Mesh.Front;

    public ImageService.ImageServiceClient Images => Front.Images;

    public async Task InitializeAsync()
    {
        Redis = await RedisServer.StartAsync();
        _mesh = await RunningMesh.StartAsync(new MeshLayout
        {
            Settings = [($"Mesh:Models:{FlowMesh.Other}:Folder", TinyModels.Pipeline("instaflow_1step"))],
            OwnSettings = new Dictionary<string, IReadOnlyList<(string Key, string? Value)>>
            {
                ["gateway"] = [("Mesh:Redis:Cache", Redis.Connection), ("Mesh:Gateway:LocalCacheBytes", "0"), ("Mesh:Gateway:ReplayBytes", $"{1 << 20}")],
            },
            Replicas = new Dictionary<string, int> { ["upsampler"] = 0 },
        });
    }

    public async Task DisposeAsync()
    {
        if (_mesh is not null) await _mesh.DisposeAsync();
        await Redis.DisposeAsync();
    }
}

public sealed class RedisTests(RedisMesh mesh) : IClassFixture<RedisMesh>
{
    [Fact]
    public async Task Generate_EmbeddingInRedis_SkipsTheTextStage()
    {
        var (first, _) = await FoundAsync("hit");
        var before = (await mesh.Front.CountersAsync("text")).Completed;

        var drawn = await mesh.Images.DrawAsync(FlowMesh.Plain("hit"));

        drawn.File().ShouldBe(first.File());
        if (drawn.Encoded.Cache == CacheOutcome.Shared) (await mesh.Front.CountersAsync("text")).Completed.ShouldBe(before);
    }

    [Theory]
    [InlineData("redis.call('setrange', k, 50, 'XXXX')")]
    [InlineData("redis.call('set', k, string.sub(redis.call('get', k), 1, 60))")]
    [InlineData("redis.call('set', k, '')")]
    public async Task Generate_ValueInRedisIsDamaged_IsAMissAndIsMadeGood(string damage)
    {
        var prompt = $"damaged by {damage}";
        var (first, _) = await FoundAsync(prompt);
        await RunAsync($"for _, k in ipairs(redis.call('keys', 'mesh:embedding:*')) do {damage} end return 1");

        var missed = await mesh.Images.DrawAsync(FlowMesh.Plain(prompt));
        var (_, found) = await FoundAsync(prompt);

        missed.Encoded.Cache.ShouldBe(CacheOutcome.Miss);
        missed.File().ShouldBe(first.File());
        found.File().ShouldBe(first.File());
    }

    [Fact]
    public async Task Generate_RedisStoppedHungAndRestartedUnderLoad_LosesNoRequest()
    {
        string[] prompts = ["one", "two", "three"];
        var expected = new Dictionary<string, byte[]>();
        foreach (var prompt in prompts) expected[prompt] = (await mesh.Images.DrawAsync(FlowMesh.Plain(prompt))).File();
        using var end = new CancellationTokenSource();
        var done = 0;
        var load = Enumerable.Range(0, 3).Select(i => Task.Run(() => DrawAsync(prompts[i]))).ToList();

        await MoreAsync();
        await mesh.Redis.StopAsync();
        await MoreAsync();
        await mesh.Front.WhenAsync(x => !x.SharedCache);
        await mesh.Redis.StartAgainAsync();
        await mesh.Front.WhenAsync(x => x.SharedCache);
        await MoreAsync();
        await mesh.Redis.HangAsync();
        await MoreAsync();
        await mesh.Front.WhenAsync(x => !x.SharedCache);
        await mesh.Redis.GoOnAsync();
        await mesh.Front.WhenAsync(x => x.SharedCache);
        await MoreAsync();
        await end.CancelAsync();
        await Task.WhenAll(load).DefaultTimeout();

        async Task DrawAsync(string prompt)
        {
            while (!end.IsCancellationRequested)
            {
                (await mesh.Images.DrawAsync(FlowMesh.Plain(prompt))).File().ShouldBe(expected[prompt]);
                Interlocked.Increment(ref done);
            }
        }

        async Task MoreAsync()
        {
            var enough = Volatile.Read(ref done) + 6;
            await mesh.Front.WhenAsync(_ => Volatile.Read(ref done) >= enough || load.Any(x => x.IsFaulted));
            load.ShouldAllBe(x => !x.IsFaulted);
        }
    }

    [Fact]
    public async Task Generate_SameRequestId_ReplaysWithoutWork()
    {
        var request = FlowMesh.Plain("replayed");
        request.RequestId = Guid.NewGuid().ToString();
        var first = await mesh.Images.DrawAsync(request);
        var before = (await mesh.Front.CountersAsync("generator")).Completed;

        var second = await mesh.Images.DrawAsync(request);

        (first.Accepted.Replayed, second.Accepted.Replayed).ShouldBe((false, true));
        second.File().ShouldBe(first.File());
        second.Completed().ShouldBe(first.Completed());
        (await mesh.Front.CountersAsync("generator")).Completed.ShouldBe(before);

        request.Prompt = "another";
        (await mesh.Images.DrawAsync(request).FaultAsync()).StatusCode.ShouldBe(StatusCode.AlreadyExists);
    }

    [Fact]
    public async Task Generate_SameRequestIdTwiceAtOnce_IsDrawnOnce()
    {
        var request = FlowMesh.Plain("at once");
        (request.RequestId, request.Steps) = (Guid.NewGuid().ToString(), 20);
        var before = (await mesh.Front.CountersAsync("generator")).Completed;

        var drawn = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => mesh.Images.DrawAsync(request))).DefaultTimeout();

        foreach (var each in drawn) each.File().ShouldBe(drawn[0].File());
        (await mesh.Front.CountersAsync("generator")).Completed.ShouldBe(before + 1);
    }

    [Fact]
    public async Task Generate_CallerLostInTheMiddle_GetsTheRestByItsRequestId()
    {
        var request = FlowMesh.Plain("lost in the middle");
        (request.RequestId, request.Count) = (Guid.NewGuid().ToString(), 2);
        var expected = new GenerateRequest(request) { RequestId = "" };
        using (var channel = mesh.Front.Connect())
        {
            using var call = new ImageService.ImageServiceClient(channel).Generate(request);
            (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        }

        var again = await mesh.Images.DrawAsync(request);
        var plain = await mesh.Images.DrawAsync(expected);

        for (var i = 0; i < request.Count; i++) again.File(i).ShouldBe(plain.File(i));
    }

    [Fact]
    public async Task Generate_AbsentRedis_WorksAndSaysSoOnce()
    {
        var without = await mesh.Mesh.AddGatewayAsync(("Mesh:Redis:Cache", null));

        (await without.Images.DrawAsync(FlowMesh.Plain("without"))).File().ShouldBe((await mesh.Images.DrawAsync(FlowMesh.Plain("without"))).File());

        (await without.StatusAsync()).SharedCache.ShouldBeFalse();
        (await without.Images.GetCapabilitiesAsync(new()).ResponseAsync.DefaultTimeout()).SharedCache.ShouldBeFalse();
    }

    /// <summary>Draws until the prompt's embedding is found in Redis; on a busy machine it may take longer than it is given once or twice.</summary>
    private async Task<(Drawn First, Drawn Found)> FoundAsync(string prompt)
    {
        var first = await mesh.Images.DrawAsync(FlowMesh.Plain(prompt));
        for (var i = 0; i < 20; i++)
        {
            await mesh.Front.WhenAsync(x => x.SharedCache);
            var found = await mesh.Images.DrawAsync(FlowMesh.Plain(prompt));
            if (found.Encoded.Cache == CacheOutcome.Shared) return (first, found);
        }
        throw new InvalidOperationException("It never was found in Redis.");
    }

    private async Task RunAsync(string script) => await ChildProgram.RunAsync("redis-cli", ["-p", $"{mesh.Redis.Port}", "eval", script, "0"]);
}
