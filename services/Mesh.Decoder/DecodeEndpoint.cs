using Grpc.Core;
using Mesh.Contracts.Decoder.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;

namespace Mesh.Decoder;

/// <summary>mesh.decoder.v1.DecoderService.</summary>
internal sealed class DecodeEndpoint : DecoderService.DecoderServiceBase
{
    private const int MostPixelsASide = 2048;

    private readonly StageEngine<DecoderModel, DecodeKey, DecodeItem, DecodedPicture> _engine;
    private readonly WorkServer<DecodeRequest, DecodeResponse> _stream;

    public DecodeEndpoint(StageEngine<DecoderModel, DecodeKey, DecodeItem, DecodedPicture> engine, IServiceProvider services)
    {
        _engine = engine;
        _stream = services.WorkServer<DecodeRequest, DecodeResponse>(
            new(
                "mesh.decoder.v1.DecoderService/Decode",
                x => new WorkHeader(x.Id, x.Cancel, x.TimeoutUs, x.Traceparent),
                (id, status, timings) => new DecodeResponse { Id = id, Failure = status, Timings = timings }),
            DecodeAsync);
    }

    public override Task Decode(IAsyncStreamReader<DecodeRequest> requestStream, IServerStreamWriter<DecodeResponse> responseStream, ServerCallContext context) =>
        _stream.ServeAsync(requestStream, responseStream, context);

    private async Task DecodeAsync(DecodeRequest request, WorkItem work, Func<DecodeResponse, Task> answer)
    {
        if (!Enum.IsDefined(request.Quality)) throw MeshException.InvalidArgument("quality", $"{(int)request.Quality} is none");
        using var lease = await _engine.Models.AcquireAsync(request.Model?.Id ?? "", request.Model?.Version ?? "", work.Cancelled).ConfigureAwait(false);
        var preview = request.Quality == Quality.Preview;
        if (preview && lease.Model.Preview is null)
        {
            throw MeshException.FailedPrecondition(
                "PREVIEW_NOT_INSTALLED", lease.Installed.Id, $"The model '{lease.Installed.Id}' has no tiny autoencoder. Name one's folder under Mesh:Models:{lease.Installed.Id}:Preview.");
        }
        var stage = preview ? lease.Model.Preview! : lease.Model.Full;
        var values = WireTensors.Floats(request.Latent, "latent", stage.LatentChannels, WireTensors.Any, WireTensors.Any);
        var (height, width) = ((int)request.Latent.Shape[1], (int)request.Latent.Shape[2]);
        if (Math.Min(height, width) < 1 || Math.Max(height, width) * (long)stage.Factor > MostPixelsASide)
            throw MeshException.InvalidArgument("latent.shape", $"must give a picture from {stage.Factor} to {MostPixelsASide} pixels a side");
        var result = await _engine.RunAsync(lease, null, new(preview, height, width), new(values), work).ConfigureAwait(false);
        var picture = result.Value;
        await answer(new DecodeResponse
        {
            Id = work.Id,
            Pixels = WireTensors.OfBytes(picture.Pixels, picture.Height, picture.Width, 3),
            Timings = work.Timings(result),
        }).ConfigureAwait(false);
    }
}
