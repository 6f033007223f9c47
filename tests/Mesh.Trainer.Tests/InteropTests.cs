using Mesh.Testing;

namespace Mesh.Trainer.Tests;

/// <summary>A client that is not ours trains; its scenarios stand in tests/interop.</summary>
public sealed class InteropTests
{
    [Fact]
    public async Task TheirClient_EveryScenario_GoesAsItShould()
    {
        using var shop = new Workshop();
        await using var redis = await RedisServer.StartAsync(appendOnly: true);
        await using var trainer = await RunningTrainer.StartAsync(shop.Root, redis.Connection, ("Mesh:Trainer:Gateway", "http://127.0.0.1:9"));
        var settings = new { grpc = trainer.Authority, @short = Workshop.Autoencoder(4), @long = Workshop.Autoencoder(100_000, 100_000, 0) };

        var results = await ScenarioRun.RunAsync(Language.Python, "jobs_client", settings);

        results.Values.Where(x => !x.Ok).Select(x => $"{x.Scenario}: {x.Error}").ShouldBeEmpty();
        results.Keys.ShouldBe(["submit_and_watch", "cancel", "operation", "bad_fields", "not_good_enough"], ignoreOrder: true);
    }
}
