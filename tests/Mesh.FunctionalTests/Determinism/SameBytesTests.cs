using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Testing;

namespace Mesh.FunctionalTests.Determinism;

/// <summary>The same request gives the same file, byte for byte, whatever happens around it.</summary>
public sealed class SameBytesTests(TwoMeshes meshes) : IClassFixture<TwoMeshes>
{
    [Fact]
    public async Task Generate_InABatchWithEightStrangers_GivesTheBytesThatItGivesAlone()
    {
        // This generator waits for nine pieces of work, and runs them as one batch.
        await using var batching = await RunningMesh.StartAsync(new MeshLayout
        {
            Settings = TinyModels.FlowSettings,
            OwnSettings = new Dictionary<string, IReadOnlyList<(string Key, string? Value)>>
            {
                ["generator"] = [("Mesh:Batching:MaxBatch", "9"), ("Mesh:Batching:MaxDelay", "00:01:00")],
            },
        });
        var alone = await meshes.Split.Front.Images.DrawAsync(Request());

        var strangers = Enumerable.Range(0, 8).Select(i =>
        {
            var other = Request();
            (other.Prompt, other.Seeds[0]) = ($"stranger {i}", (ulong)(100 + i));
            return batching.Front.Images.DrawAsync(other);
        }).ToList();
        var among = await batching.Front.Images.DrawAsync(Request());
        var others = await Task.WhenAll(strangers).DefaultTimeout();

        among.Completed().Generate.BatchSize.ShouldBe(9);
        among.File().ShouldBe(alone.File());
        others.Select(x => Convert.ToHexString(x.File())).Append(Convert.ToHexString(alone.File())).ShouldBeUnique();
    }

    [Fact]
    public async Task Generate_AmongOthersWithLoras_GivesTheBytesThatItGivesAlone()
    {
        var plain = Request();
        plain.Loras.Clear();
        var alone = await meshes.One.DrawAsync(plain);

        var calls = Enumerable.Range(0, 8).Select(i =>
        {
            var other = new GenerateRequest(plain);
            if (i % 2 == 0) other.Loras.Add(new Lora { Name = i % 4 == 0 ? TinyModels.Style : TinyModels.Look, Weight = 0.5f + (i / 4f) });
            return meshes.One.DrawAsync(other);
        }).ToList();
        var drawn = await Task.WhenAll(calls).DefaultTimeout();

        for (var i = 1; i < drawn.Length; i += 2) drawn[i].File().ShouldBe(alone.File());
        for (var i = 0; i < drawn.Length; i += 2) drawn[i].File().ShouldNotBe(alone.File());
    }

    [Fact]
    public async Task Generate_OnEitherReplica_GivesTheSameBytes()
    {
        var (first, second) = (await CompletedAsync(0), await CompletedAsync(1));

        var calls = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => meshes.Split.Front.Images.DrawAsync(Request()))).DefaultTimeout();

        (await CompletedAsync(0)).ShouldBeGreaterThan(first);
        (await CompletedAsync(1)).ShouldBeGreaterThan(second);
        calls.Select(x => Convert.ToHexString(x.File())).Distinct().ShouldHaveSingleItem();

        async Task<long> CompletedAsync(int replica) => (await meshes.Split.Front.CountersAsync("generator", replica)).Completed;
    }

    [Fact]
    public async Task Generate_EmbeddingComputedOrFoundHereOrInRedis_GivesTheSameBytes()
    {
        var request = Request();
        CacheOutcome found;
        var tries = 0;
        do
        {
            // On a busy machine Redis may take longer than it is given; the picture is the same then too, and another prompt may show a hit.
            request.Prompt = $"a prompt that no other test uses {++tries}";
            var computed = await meshes.One.DrawAsync(request);
            var here = await meshes.One.DrawAsync(request);
            var shared = await meshes.Split.Front.Images.DrawAsync(request);

            computed.Encoded.Cache.ShouldBe(CacheOutcome.Miss);
            computed.Encoded.Timings.ShouldNotBeNull();
            here.Encoded.Cache.ShouldBe(CacheOutcome.Local);
            here.Encoded.Timings.ShouldBeNull();
            here.File().ShouldBe(computed.File());
            shared.File().ShouldBe(computed.File());
            found = shared.Encoded.Cache;
        }
        while (found != CacheOutcome.Shared && tries < 20);
        found.ShouldBe(CacheOutcome.Shared);
    }

    [Fact]
    public async Task Generate_InOneProcessOrSplit_GivesTheSameBytesAndSaysWhatTheyDependOn()
    {
        var one = await meshes.One.DrawAsync(Request());
        var split = await meshes.Split.Front.Images.DrawAsync(Request());

        split.File().ShouldBe(one.File());
        var on = one.Completed().Reproducibility;
        on.DeviceKind.ShouldStartWith("cpu");
        on.Build.ShouldNotBeEmpty();
        on.Numerics.ShouldBe("float32");
        split.Completed().Reproducibility.ShouldBe(on);
        split.Completed().Model.ShouldBe(one.Completed().Model);
        one.Completed().Model.Version.Length.ShouldBe(64);
    }

    [Fact]
    public async Task Generate_SeveralImages_EachIsTheOneThatItsSeedGivesAlone()
    {
        var several = Request();
        several.Count = 3;

        var together = await meshes.Split.Front.Images.DrawAsync(several);

        for (var i = 0; i < several.Count; i++)
        {
            var single = Request();
            single.Seeds[0] += (ulong)i;
            together.Completed(i).Seed.ShouldBe(single.Seeds[0]);
            (await meshes.Split.Front.Images.DrawAsync(single)).File().ShouldBe(together.File(i));
        }
    }

    /// <summary>Two steps with everything that goes through the stages.</summary>
    private static GenerateRequest Request() => new()
    {
        Prompt = "a red apple",
        NegativePrompt = "blurry",
        Guidance = 2,
        Steps = 2,
        Seeds = { 7 },
        WidthPx = 64,
        HeightPx = 64,
        Loras = { new Lora { Name = TinyModels.Style, Weight = 0.5f } },
    };
}
