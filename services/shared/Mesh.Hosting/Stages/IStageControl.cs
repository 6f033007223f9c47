using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Stage.V1;

namespace Mesh.Hosting.Stages;

/// <summary>What every stage can be asked beside its own work.</summary>
public interface IStageControl
{
    /// <summary>The stage as it is now.</summary>
    Task<GetStageResponse> DescribeAsync(CancellationToken cancel);

    /// <summary>Takes a model in as its files are now, and warms it.</summary>
    Task<StageModel> LoadAsync(ModelRef model, CancellationToken cancel);

    /// <summary>Lets a model go once the work that uses it has ended.</summary>
    Task UnloadAsync(ModelRef model, CancellationToken cancel);
}
