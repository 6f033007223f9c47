using System.Runtime.CompilerServices;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;

namespace Mesh.Client;

/// <content>What the mesh can do and how it is.</content>
public sealed partial class MeshClient
{
    /// <summary>What the mesh can do now, and its limits.</summary>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <exception cref="MeshException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<GetCapabilitiesResponse> GetCapabilitiesAsync(CancellationToken cancellationToken = default) =>
        AskAsync(new GetCapabilitiesRequest(), _images.GetCapabilitiesAsync, cancellationToken);

    /// <summary>Every model that can be asked for, in the order of their ids; pages are fetched as the loop comes to them.</summary>
    /// <param name="cancellationToken">Stops the calls.</param>
    /// <exception cref="MeshException">A call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async IAsyncEnumerable<ModelInfo> ListModelsAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var request = new ListModelsRequest();
        do
        {
            var page = await AskAsync(request, _images.ListModelsAsync, cancellationToken).ConfigureAwait(false);
            foreach (var model in page.Models) yield return model;
            if (page.NextPageToken.Length > 0 && page.NextPageToken == request.PageToken) throw MeshException.OfCorruption("the list of models does not end");
            request = new ListModelsRequest { PageToken = page.NextPageToken };
        }
        while (request.PageToken.Length > 0);
    }

    /// <summary>The gateway and every replica of every stage, as they are now. For those who run the mesh.</summary>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <exception cref="MeshException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<GetStatusResponse> GetStatusAsync(CancellationToken cancellationToken = default) =>
        AskAsync(new GetStatusRequest(), _gateway.GetStatusAsync, cancellationToken);

    /// <summary>Takes a configured model into memory on every stage.</summary>
    /// <param name="id">The model's.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <returns>What each replica said: code 0 is success.</returns>
    /// <exception cref="MeshException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<IReadOnlyList<ReplicaOutcome>> LoadModelAsync(string id, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return (await AskAsync(new LoadModelRequest { Model = new ModelRef { Id = id } }, _gateway.LoadModelAsync, cancellationToken).ConfigureAwait(false)).Outcomes;
    }

    /// <summary>Lets a model go on every stage once the work that uses it has ended; a later request takes it in again.</summary>
    /// <inheritdoc cref="LoadModelAsync"/>
    public async Task<IReadOnlyList<ReplicaOutcome>> UnloadModelAsync(string id, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return (await AskAsync(new UnloadModelRequest { Model = new ModelRef { Id = id } }, _gateway.UnloadModelAsync, cancellationToken).ConfigureAwait(false)).Outcomes;
    }

    /// <summary>One question, one answer. All questions here may be asked twice without harm.</summary>
    private async Task<TResponse> AskAsync<TRequest, TResponse>(
        TRequest message, Func<TRequest, CallOptions, AsyncUnaryCall<TResponse>> ask, CancellationToken cancellationToken)
    {
        var deadline = DeadlineAfter(null);
        var patience = new Patience(_options, deadline, _time);
        while (true)
        {
            try
            {
                using var call = ask(message, new CallOptions(_headers, deadline, cancellationToken));
                return await call.ResponseAsync.ConfigureAwait(false);
            }
            catch (RpcException fault)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await patience.WaitAsync(MeshException.From(fault), cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
