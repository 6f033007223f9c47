using System.Diagnostics.Metrics;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Generator.V1;
using Mesh.Gateway.Stages;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Peers;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Tests.Stages;

/// <summary>Replicas that keep their connections and say nothing any more, as a stopped process does.</summary>
public sealed class SilenceTests
{
    private static readonly ModelRef Tiny = new() { Id = "tiny" };

    [Fact]
    public async Task Work_ReplicaFallsSilent_GoesToTheOther()
    {
        await using var silent = new FakeGenerator();
        await using var other = new FakeGenerator();
        await silent.StartAsync();
        await other.StartAsync();
        other.SetServing(false);
        silent.Hold();
        await using var link = Link(silent, other);
        link.Start();
        await UntilAsync(link, () => link.Replicas.Any(x => x.Address == silent.Endpoint && x.State == ReplicaState.Serving));
        var sending = link.SendAsync(new GenerateRequest { WidthPx = 8, HeightPx = 8 }, Tiny, null, default);
        await FakeCalls.UntilAsync(() => silent.Running == 1);

        silent.FallSilent();
        other.SetServing(true);

        (await sending.DefaultTimeout()).Replica.Address.ShouldBe(other.Endpoint);
        link.Replicas.Single(x => x.Address == silent.Endpoint).State.ShouldBe(ReplicaState.Unreachable);
    }

    private static StageLink<GenerateRequest, GenerateResponse> Link(params FakeGenerator[] fakes)
    {
        var timing = new LinkTiming { Poll = TimeSpan.FromMilliseconds(50), PollTimeout = TimeSpan.FromMilliseconds(300) };
        var peers = new PeerChannels(Options.Create(new PeerOptions()), NullLoggerFactory.Instance);
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        var limits = new WorkLimits { Wait = TimeoutExtensions.Default };
        return new(new GeneratorProtocol(), [.. fakes.Select(x => MeshEndpoint.Parse(x.Endpoint))], peers, timing, limits, new GatewayMetrics(meters), TimeProvider.System);
    }

    private static async Task UntilAsync(StagePool pool, Func<bool> holds)
    {
        while (true)
        {
            var changed = pool.Changed;
            if (holds()) return;
            await changed.DefaultTimeout();
        }
    }
}
