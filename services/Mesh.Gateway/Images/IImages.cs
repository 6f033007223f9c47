using Mesh.Contracts.Image.V1;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Images;

/// <summary>Who calls, and until when.</summary>
/// <param name="Name">For limits a caller; <see cref="Anonymous"/> where callers need not say.</param>
/// <param name="Deadline">When the answer is of no use any more; null: never.</param>
internal sealed record Caller(string Name, DateTimeOffset? Deadline = null)
{
    public const string Anonymous = "anonymous";
}

/// <summary>
/// Making images, whatever the call came in by: gRPC and HTTP both go through here. Faults are <see cref="MeshException"/>s, thrown by
/// the first step of an enumeration where the request is wrong or not admitted, later where the whole call fails. Ending an
/// enumeration early, or its token, stops the work in every stage.
/// </summary>
internal interface IImages
{
    /// <summary>Makes images from a prompt. The events come numbered and timed, the first is always accepted.</summary>
    IAsyncEnumerable<GenerateResponse> GenerateAsync(GenerateRequest request, Caller caller, CancellationToken cancel);

    /// <summary>Enlarges an image four times each way.</summary>
    IAsyncEnumerable<UpscaleResponse> UpscaleAsync(UpscaleRequest request, Caller caller, CancellationToken cancel);

    /// <summary>What can be asked for now.</summary>
    GetCapabilitiesResponse GetCapabilities();

    /// <summary>One page of the models that can be asked for.</summary>
    ListModelsResponse ListModels(ListModelsRequest request);
}
