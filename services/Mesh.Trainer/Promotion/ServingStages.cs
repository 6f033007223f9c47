using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Gateway.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Peers;
using Microsoft.Extensions.Options;

namespace Mesh.Trainer.Promotion;

/// <summary>The stages that serve, reached through the gateway.</summary>
internal sealed class ServingStages : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private readonly GrpcChannel? _channel;
    private readonly Metadata _headers = [];

    public ServingStages(IOptions<TrainerOptions> options, PeerChannels channels)
    {
        if (options.Value.Gateway is not { } gateway) return;
        _channel = channels.Create(MeshEndpoint.Parse(gateway));
        if (options.Value.GatewayKey is { } key) _headers.Add("authorization", "Bearer " + key);
    }

    /// <summary>Makes sure that there are any to ask.</summary>
    /// <exception cref="MeshException">FAILED_PRECONDITION: there are none.</exception>
    public void Require()
    {
        if (_channel is null) throw MeshException.FailedPrecondition("GATEWAY_NOT_CONFIGURED", "Mesh:Trainer:Gateway", "This trainer knows of no gateway: set Mesh:Trainer:Gateway to the one whose stages serve.");
    }

    /// <summary>Lets every stage take in what a model's files are now.</summary>
    /// <returns>What each replica said.</returns>
    /// <exception cref="MeshException">The gateway refused, or does not answer.</exception>
    public async Task<IReadOnlyList<ReplicaOutcome>> LoadAsync(string model, CancellationToken cancel)
    {
        Require();
        try
        {
            var request = new LoadModelRequest { Model = new() { Id = model } };
            var response = await new GatewayService.GatewayServiceClient(_channel).LoadModelAsync(request, new CallOptions(_headers, DateTime.UtcNow + Limit, cancel)).ConfigureAwait(false);
            return response.Outcomes;
        }
        catch (RpcException e) when (!cancel.IsCancellationRequested)
        {
            throw MeshException.FailedPrecondition("MODEL_REFUSED", $"model:{model}", $"The stages did not take the model: {e.Status.Detail}");
        }
    }

    public void Dispose() => _channel?.Dispose();
}
