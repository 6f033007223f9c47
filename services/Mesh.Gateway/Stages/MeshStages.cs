using Mesh.Contracts.Decoder.V1;
using Mesh.Contracts.Generator.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Contracts.Upsampler.V1;
using Mesh.Hosting.Peers;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Stages;

/// <summary>The links to the four stages.</summary>
internal sealed class MeshStages : IHostedService, IAsyncDisposable
{
    public MeshStages(IOptions<StagesOptions> options, PeerChannels peers, GatewayMetrics metrics, TimeProvider time)
    {
        var o = options.Value;
        var timing = new LinkTiming { Poll = o.Poll };
        var limits = new WorkLimits { Tries = o.Tries, Wait = o.Wait, Time = o.WorkTimeout };
        Text = new(new TextProtocol(), Endpoints(o.Text), peers, timing, limits, metrics, time);
        Generator = new(new GeneratorProtocol(), Endpoints(o.Generator), peers, timing, limits, metrics, time);
        Decoder = new(new DecoderProtocol(), Endpoints(o.Decoder), peers, timing, limits, metrics, time);
        Upsampler = new(new UpsamplerProtocol(), Endpoints(o.Upsampler), peers, timing, limits, metrics, time);
        All = [Text, Generator, Decoder, Upsampler];
        metrics.Observe(this);
    }

    public StageLink<EncodeRequest, EncodeResponse> Text { get; }

    public StageLink<GenerateRequest, GenerateResponse> Generator { get; }

    public StageLink<DecodeRequest, DecodeResponse> Decoder { get; }

    public StageLink<UpscaleRequest, UpscaleResponse> Upsampler { get; }

    /// <summary>In the order in which a request meets them.</summary>
    public IReadOnlyList<StagePool> All { get; }

    /// <summary>The stages that no picture comes without.</summary>
    public IEnumerable<StagePool> Needed => All.Where(x => x != Upsampler);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var pool in All) pool.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync() => await Task.WhenAll(All.Select(x => x.DisposeAsync().AsTask())).ConfigureAwait(false);

    private static MeshEndpoint[] Endpoints(IEnumerable<string> configured) => [.. configured.Select(MeshEndpoint.Parse).Distinct()];
}
