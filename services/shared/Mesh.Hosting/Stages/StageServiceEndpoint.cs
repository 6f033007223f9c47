using Grpc.Core;
using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Faults;

namespace Mesh.Hosting.Stages;

/// <summary>mesh.stage.v1.StageService of whichever stage this process is.</summary>
internal sealed class StageServiceEndpoint(IStageControl stage) : StageService.StageServiceBase
{
    public override Task<GetStageResponse> GetStage(GetStageRequest request, ServerCallContext context) => stage.DescribeAsync(context.CancellationToken);

    public override async Task<LoadModelResponse> LoadModel(LoadModelRequest request, ServerCallContext context)
    {
        if (string.IsNullOrEmpty(request.Model?.Id)) throw MeshException.InvalidArgument("model.id", "is required");
        return new() { Model = await stage.LoadAsync(request.Model, context.CancellationToken).ConfigureAwait(false) };
    }

    public override async Task<UnloadModelResponse> UnloadModel(UnloadModelRequest request, ServerCallContext context)
    {
        if (string.IsNullOrEmpty(request.Model?.Id)) throw MeshException.InvalidArgument("model.id", "is required");
        await stage.UnloadAsync(request.Model, context.CancellationToken).ConfigureAwait(false);
        return new();
    }
}
