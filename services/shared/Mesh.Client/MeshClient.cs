using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;

namespace Mesh.Client;

/// <summary>
/// A mesh that draws: text to images, images to larger ones. One instance serves a whole program: it holds its connections, and any number of threads may use it at once.
/// <example>
/// <code>
/// using var mesh = new MeshClient(new MeshClientOptions { Address = "http://127.0.0.1:50051" });
/// var images = await mesh.GenerateImagesAsync(new GenerationRequest("a red apple") { Count = 4, Seeds = [7] });
/// await images[0].SaveAsync("apple.png");
/// </code>
/// </example>
/// </summary>
public sealed partial class MeshClient : IDisposable
{
    private readonly MeshClientOptions _options;
    private readonly GrpcChannel _channel;
    private readonly ImageService.ImageServiceClient _images;
    private readonly GatewayService.GatewayServiceClient _gateway;
    private readonly Metadata _headers = [];
    private readonly TimeProvider _time = TimeProvider.System;

    /// <summary>Makes a client. Nothing is sent before the first call.</summary>
    /// <param name="options">Where and how; null: a mesh that <c>./mesh up</c> started on this machine.</param>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it.</exception>
    /// <exception cref="IOException">A certificate file cannot be read.</exception>
    public MeshClient(MeshClientOptions? options = null)
    {
        _options = options ?? new MeshClientOptions();
        _options.Check();
        _channel = Transport.Open(_options);
        if (_options.ApiKey is { } key) _headers.Add("authorization", "Bearer " + key);
        _images = new ImageService.ImageServiceClient(_channel);
        _gateway = new GatewayService.GatewayServiceClient(_channel);
    }

    /// <summary>
    /// Makes images from a prompt; events come as they happen. Leaving the loop, or cancelling, stops the work in every stage.
    /// Where the connection breaks or the mesh is busy, the call is begun again (see <see cref="MeshClientOptions.Retries"/>); events go on where they were.
    /// </summary>
    /// <param name="request">What to draw.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <returns>First <see cref="CallAccepted"/>; each image ends with <see cref="ImageReady"/> or <see cref="ImageFailed"/>.</returns>
    /// <exception cref="MeshException">The call as a whole failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public IAsyncEnumerable<ImageEvent> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return StreamAsync(request.ToMessage(), Math.Max(request.Count, 1), request.Deadline, _images.Generate, Read, cancellationToken);
    }

    /// <summary>Makes images from a prompt and waits for all of them.</summary>
    /// <param name="request">What to draw.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <returns>As many as were asked for, in their order.</returns>
    /// <exception cref="MeshException">An image did not come. <see cref="GenerateAsync"/> gives the others nevertheless.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<IReadOnlyList<GeneratedImage>> GenerateImagesAsync(GenerationRequest request, CancellationToken cancellationToken = default) =>
        GatherAsync(GenerateAsync(request, cancellationToken));

    /// <summary>Enlarges an image four times each way; <see cref="TileReady"/> events come as tiles are finished, the whole image last.</summary>
    /// <param name="request">What to enlarge.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <returns>As <see cref="GenerateAsync"/>, with one image.</returns>
    /// <exception cref="MeshException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public IAsyncEnumerable<ImageEvent> UpscaleAsync(UpscalingRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return StreamAsync(request.ToMessage(), 1, request.Deadline, _images.Upscale, Read, cancellationToken);
    }

    /// <summary>Enlarges an image four times each way and waits for the whole.</summary>
    /// <param name="request">What to enlarge; with <see cref="UpscalingRequest.TilesOnly"/> the image that returns has no bytes.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <exception cref="MeshException">It failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<GeneratedImage> UpscaleImageAsync(UpscalingRequest request, CancellationToken cancellationToken = default) =>
        (await GatherAsync(UpscaleAsync(request, cancellationToken)).ConfigureAwait(false))[0];

    /// <summary>Closes the connections; calls in flight end as cancelled.</summary>
    public void Dispose() => _channel.Dispose();

    private static WireEvent Read(GenerateResponse x) => x.EventCase switch
    {
        GenerateResponse.EventOneofCase.Accepted => new(x.Sequence, x.ElapsedUs, x.Accepted),
        GenerateResponse.EventOneofCase.Encoded => new(x.Sequence, x.ElapsedUs, x.Encoded),
        GenerateResponse.EventOneofCase.Preview => new(x.Sequence, x.ElapsedUs, x.Preview, IsPreview: true),
        GenerateResponse.EventOneofCase.Image => new(x.Sequence, x.ElapsedUs, x.Image),
        GenerateResponse.EventOneofCase.Tile => new(x.Sequence, x.ElapsedUs, x.Tile),
        GenerateResponse.EventOneofCase.Completed => new(x.Sequence, x.ElapsedUs, x.Completed),
        GenerateResponse.EventOneofCase.Failed => new(x.Sequence, x.ElapsedUs, x.Failed),
        _ => new(x.Sequence, x.ElapsedUs, null),
    };

    private static WireEvent Read(UpscaleResponse x) => x.EventCase switch
    {
        UpscaleResponse.EventOneofCase.Accepted => new(x.Sequence, x.ElapsedUs, x.Accepted),
        UpscaleResponse.EventOneofCase.Tile => new(x.Sequence, x.ElapsedUs, x.Tile),
        UpscaleResponse.EventOneofCase.Image => new(x.Sequence, x.ElapsedUs, x.Image),
        UpscaleResponse.EventOneofCase.Completed => new(x.Sequence, x.ElapsedUs, x.Completed),
        UpscaleResponse.EventOneofCase.Failed => new(x.Sequence, x.ElapsedUs, x.Failed),
        _ => new(x.Sequence, x.ElapsedUs, null),
    };

    private static async Task<IReadOnlyList<GeneratedImage>> GatherAsync(IAsyncEnumerable<ImageEvent> events)
    {
        var images = new List<GeneratedImage>();
        MeshException? fault = null;
        await foreach (var happened in events.ConfigureAwait(false))
        {
            if (happened is ImageReady ready) images.Add(ready.Image);
            if (happened is ImageFailed failed) fault ??= failed.Error;
        }
        return fault is null ? [.. images.OrderBy(x => x.Index)] : throw fault;
    }

    private async IAsyncEnumerable<ImageEvent> StreamAsync<TRequest, TResponse>(
        TRequest message, int count, TimeSpan? limit, Func<TRequest, CallOptions, AsyncServerStreamingCall<TResponse>> begin, Func<TResponse, WireEvent> read,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var deadline = DeadlineAfter(limit);
        using var call = new AttemptedCall<TResponse>(
            () => begin(message, new CallOptions(_headers, deadline, cancellationToken)), read, new Reception(count), new Patience(_options, deadline, _time), cancellationToken);
        while (await call.NextAsync().ConfigureAwait(false) is { } happened) yield return happened;
    }

    private DateTime DeadlineAfter(TimeSpan? limit) => _time.GetUtcNow().UtcDateTime + (limit ?? _options.Deadline);
}
