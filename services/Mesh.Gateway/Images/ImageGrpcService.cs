using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Hosting.Faults;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Images;

/// <summary>mesh.image.v1 on the wire.</summary>
internal sealed class ImageGrpcService(IImages images, IOptions<GatewayOptions> options, TimeProvider time) : ImageService.ImageServiceBase
{
    private readonly TimeSpan _slow = options.Value.SlowReader;

    public override Task Generate(GenerateRequest request, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context) =>
        WriteAsync(token => images.GenerateAsync(request, CallerOf(context), token), responseStream, context);

    public override Task Upscale(UpscaleRequest request, IServerStreamWriter<UpscaleResponse> responseStream, ServerCallContext context) =>
        WriteAsync(token => images.UpscaleAsync(request, CallerOf(context), token), responseStream, context);

    public override Task<GetCapabilitiesResponse> GetCapabilities(GetCapabilitiesRequest request, ServerCallContext context) => Task.FromResult(images.GetCapabilities());

    public override Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context) => Task.FromResult(images.ListModels(request));

    /// <summary>Who calls, as whatever authenticates callers has said.</summary>
    private static Caller CallerOf(ServerCallContext context)
    {
        var name = context.GetHttpContext().User.Identity?.Name;
        return new(string.IsNullOrEmpty(name) ? Caller.Anonymous : name, context.Deadline == DateTime.MaxValue ? null : new DateTimeOffset(context.Deadline));
    }

    private async Task WriteAsync<T>(Func<CancellationToken, IAsyncEnumerable<T>> events, IServerStreamWriter<T> stream, ServerCallContext context)
    {
        using var slow = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, slow.Token);
        await foreach (var item in events(either.Token).ConfigureAwait(false))
        {
            // The event log holds makers back meanwhile; this ends a caller that never reads on.
            slow.CancelAfter(_slow);
            try
            {
                await stream.WriteAsync(item, either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (slow.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested)
            {
                throw new MeshException(StatusCode.Aborted, "READER_TOO_SLOW", $"The caller did not read an event within {_slow.TotalSeconds:0.###} s.");
            }
            slow.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }
}
