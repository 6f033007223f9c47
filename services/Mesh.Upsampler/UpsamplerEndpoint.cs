using Google.Protobuf;
using Grpc.Core;
using Mesh.Batching;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Upsampler.V1;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;
using Mesh.Models.Networks;
using Microsoft.Extensions.Options;

namespace Mesh.Upsampler;

/// <summary>mesh.upsampler.v1.UpsamplerService.</summary>
internal sealed class UpsamplerEndpoint : UpsamplerService.UpsamplerServiceBase
{
    private const int LeastSide = 8;
    private const int MostSide = 1024;
    private const int Channels = 3;
    private static readonly TimeSpan LeastRetry = TimeSpan.FromMilliseconds(50);

    private readonly StageEngine<UpsamplerNetwork, AnyPicture, UpscaleJob, FinishedTile?> _engine;
    private readonly Func<ulong, IUpscaleNoise> _noise;
    private readonly UpscalePlaces _places;
    private readonly int _mostPictures;
    private readonly WorkServer<UpscaleRequest, UpscaleResponse> _stream;

    public UpsamplerEndpoint(
        StageEngine<UpsamplerNetwork, AnyPicture, UpscaleJob, FinishedTile?> engine, Func<ulong, IUpscaleNoise> noise, IOptions<BatchingOptions> batching, IServiceProvider services)
    {
        (_engine, _noise, _mostPictures) = (engine, noise, batching.Value.MaxQueue);
        _places = new UpscalePlaces(_mostPictures);
        _stream = services.WorkServer<UpscaleRequest, UpscaleResponse>(
            new(
                "mesh.upsampler.v1.UpsamplerService/Upscale",
                x => new WorkHeader(x.Id, x.Cancel, x.TimeoutUs, x.Traceparent),
                (id, status, timings) => new UpscaleResponse { Id = id, Failure = status, Timings = timings }),
            UpscaleAsync);
    }

    public override Task Upscale(IAsyncStreamReader<UpscaleRequest> requestStream, IServerStreamWriter<UpscaleResponse> responseStream, ServerCallContext context) =>
        _stream.ServeAsync(requestStream, responseStream, context);

    private async Task UpscaleAsync(UpscaleRequest request, WorkItem work, Func<UpscaleResponse, Task> answer)
    {
        var id = _engine.Models.Resolve(request.Model?.Id ?? "");
        var (pixels, height, width) = Read(request.Pixels);
        using var place = _places.TryTake() ?? throw Full();
        using var lease = await _engine.Models.AcquireAsync(id, request.Model?.Version ?? "", work.Cancelled).ConfigureAwait(false);
        using var job = new UpscaleJob(lease.Model.Config, pixels, height, width, _noise(request.Seed), request.Overlapped);
        var timings = new Timings { BatchSize = 1 };
        var next = NextAsync(place, lease, job, work);
        while (next is not null)
        {
            var result = await next.ConfigureAwait(false);
            timings.QueueUs += WorkItem.Microseconds(result.Queued);
            timings.ComputeUs += WorkItem.Microseconds(result.Computed);

            // The device goes on while the tile is sent; a caller that reads slowly holds up no more than its own picture.
            next = NextAsync(place, lease, job, work);
            if (result.Value is { } tile) await answer(Of(work.Id, tile)).ConfigureAwait(false);
        }
        timings.TotalUs = WorkItem.Microseconds(work.Elapsed);
        await answer(new UpscaleResponse
        {
            Id = work.Id,
            Done = new() { WidthPx = job.Width, HeightPx = job.Height, ModelVersion = lease.Installed.Version },
            Timings = timings,
        }).ConfigureAwait(false);
    }

    /// <summary>Queues a picture's next tile; null where it has none.</summary>
    private Task<BatchResult<FinishedTile?>>? NextAsync(UpscalePlaces.Place place, ModelLease<UpsamplerNetwork> lease, UpscaleJob job, WorkItem work)
    {
        place.TilesLeft = job.TilesLeft;
        return place.TilesLeft == 0 ? null : _engine.RunAsync(lease, null, default, job, work);
    }

    // The bytes are nobody else's: no copy.
    private static UpscaleResponse Of(long id, FinishedTile tile) => new()
    {
        Id = id,
        Tile = new()
        {
            XPx = tile.X,
            YPx = tile.Y,
            Pixels = new() { DataType = DataType.Uint8, Shape = { tile.Height, tile.Width, Channels }, Data = UnsafeByteOperations.UnsafeWrap(tile.Pixels) },
        },
    };

    private static (byte[] Pixels, int Height, int Width) Read(Tensor? tensor)
    {
        const string field = "pixels";
        var pixels = WireTensors.Bytes(tensor, field, WireTensors.Any, WireTensors.Any, Channels);
        var (height, width) = (tensor!.Shape[0], tensor.Shape[1]);
        if (height is < LeastSide or > MostSide || width is < LeastSide or > MostSide)
            throw MeshException.InvalidArgument(field + ".shape", $"is {height} pixels high and {width} wide; each must be from {LeastSide} to {MostSide}");
        return (pixels, (int)height, (int)width);
    }

    private MeshException Full()
    {
        var wait = (_engine.Costs.Estimate(1) ?? LeastRetry) * _places.TilesUntilFree();
        return MeshException.Overloaded(
            FaultReasons.QueueFull, $"{_mostPictures} pictures are being enlarged, which is the most that may be.", wait > LeastRetry ? wait : LeastRetry);
    }
}
