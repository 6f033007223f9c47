using System.Reflection;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Replay;
using Mesh.Gateway.Stages;
using Mesh.Hosting.Faults;
using Stage = Mesh.Contracts.Stage.V1;
using Status = Google.Rpc.Status;

namespace Mesh.Gateway.Operations;

/// <summary>mesh.gateway.v1 on the wire: how the mesh is, and which models it holds.</summary>
internal sealed class GatewayGrpcService(MeshStages stages, RunRegistry runs, EmbeddingCaches caches, FaultReporter faults, GatewayStart start, TimeProvider time)
    : GatewayService.GatewayServiceBase
{
    private static readonly TimeSpan LoadTimeout = TimeSpan.FromMinutes(30);

    public override async Task<GetStatusResponse> GetStatus(GetStatusRequest request, ServerCallContext context)
    {
        await Task.WhenAll(stages.All.SelectMany(x => x.Replicas).Select(x => x.TryRefreshAsync(context.CancellationToken))).ConfigureAwait(false);
        var answer = new GetStatusResponse
        {
            Build = start.Build,
            UptimeUs = (long)(time.GetUtcNow() - start.At).TotalMicroseconds,
            Calls = runs.Running,
            SharedCache = caches.IsShared,
        };
        answer.Replicas.AddRange(stages.All.SelectMany(pool => pool.Replicas.Select(x =>
            new Replica { Stage = pool.Stage, Address = x.Address, State = x.State, InFlight = x.InFlight, Info = x.Info })));
        answer.Ratios.AddRange(ReplicaRatios.Of(stages));
        return answer;
    }

    public override async Task<LoadModelResponse> LoadModel(LoadModelRequest request, ServerCallContext context)
    {
        var answer = new LoadModelResponse();
        answer.Outcomes.AddRange(await OnEachAsync(
            request.Model, (stage, options) => stage.LoadModelAsync(new Stage.LoadModelRequest { Model = request.Model }, options).ResponseAsync, context).ConfigureAwait(false));
        return answer;
    }

    public override async Task<UnloadModelResponse> UnloadModel(UnloadModelRequest request, ServerCallContext context)
    {
        var answer = new UnloadModelResponse();
        answer.Outcomes.AddRange(await OnEachAsync(
            request.Model, (stage, options) => stage.UnloadModelAsync(new Stage.UnloadModelRequest { Model = request.Model }, options).ResponseAsync, context).ConfigureAwait(false));
        return answer;
    }

    /// <summary>Asks every replica that is configured for a model, all at once.</summary>
    private async Task<ReplicaOutcome[]> OnEachAsync(ModelRef? model, Func<Stage.StageService.StageServiceClient, CallOptions, Task> ask, ServerCallContext context)
    {
        var wrong = new Violations();
        wrong.Name("model.id", model?.Id ?? "", required: true);
        wrong.Name("model.version", model?.Version ?? "");
        wrong.ThrowIfAny();
        var known = stages.All.SelectMany(pool => pool.Replicas.Where(x => x.Holds(model!.Id, "")).Select(x => (pool.Stage, Replica: x))).ToList();
        if (known.Count == 0) throw MeshException.NotFound("model", model!.Id);
        return await Task.WhenAll(known.Select(x => AskAsync(x.Stage, x.Replica, ask, context))).ConfigureAwait(false);
    }

    private async Task<ReplicaOutcome> AskAsync(string stage, StageReplica replica, Func<Stage.StageService.StageServiceClient, CallOptions, Task> ask, ServerCallContext context)
    {
        var own = (time.GetUtcNow() + LoadTimeout).UtcDateTime;
        var options = new CallOptions(deadline: context.Deadline < own ? context.Deadline : own, cancellationToken: context.CancellationToken);
        var outcome = new ReplicaOutcome { Stage = stage, Address = replica.Address, Status = new Status() };
        try
        {
            await ask(replica.Stage, options).ConfigureAwait(false);
            await replica.RefreshAsync(context.CancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            outcome.Status = e.ToStatus();
        }
        catch (OperationCanceledException e)
        {
            outcome.Status = faults.Report(e, context.Deadline <= time.GetUtcNow().UtcDateTime, context.Method).ToStatus();
        }
        return outcome;
    }
}

/// <summary>Since when the gateway runs, and what it was built from.</summary>
internal sealed record GatewayStart(DateTimeOffset At)
{
    public string Build { get; } = typeof(GatewayStart).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
