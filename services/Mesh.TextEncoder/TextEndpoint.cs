using System.Text;
using Grpc.Core;
using Mesh.Contracts.Text.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;
using Microsoft.Extensions.Options;

namespace Mesh.TextEncoder;

/// <summary>mesh.text.v1.TextEncoderService.</summary>
internal sealed class TextEndpoint : TextEncoderService.TextEncoderServiceBase
{
    private const int MostBytes = 8 * 1024;

    private readonly StageEngine<TextModel, LoraSet, TextItem, EncodedText> _engine;
    private readonly CatalogueOptions _catalogue;
    private readonly WorkServer<EncodeRequest, EncodeResponse> _stream;

    public TextEndpoint(StageEngine<TextModel, LoraSet, TextItem, EncodedText> engine, IOptions<CatalogueOptions> catalogue, IServiceProvider services)
    {
        (_engine, _catalogue) = (engine, catalogue.Value);
        _stream = services.WorkServer<EncodeRequest, EncodeResponse>(
            new(
                "mesh.text.v1.TextEncoderService/Encode",
                x => new WorkHeader(x.Id, x.Cancel, x.TimeoutUs, x.Traceparent),
                (id, status, timings) => new EncodeResponse { Id = id, Failure = status, Timings = timings }),
            EncodeAsync);
    }

    public override Task Encode(IAsyncStreamReader<EncodeRequest> requestStream, IServerStreamWriter<EncodeResponse> responseStream, ServerCallContext context) =>
        _stream.ServeAsync(requestStream, responseStream, context);

    private async Task EncodeAsync(EncodeRequest request, WorkItem work, Func<EncodeResponse, Task> answer)
    {
        var id = _engine.Models.Resolve(request.Model?.Id ?? "");
        Check(request);
        var loras = LoraSet.Read(request.Loras, _catalogue, id);
        using var lease = await _engine.Models.AcquireAsync(id, request.Model?.Version ?? "", work.Cancelled).ConfigureAwait(false);
        using var files = await lease.Model.TakeAsync(loras).ConfigureAwait(false);
        var result = await _engine.RunAsync(lease, null, loras, new TextItem(request.Prompt, request.Absent), work).ConfigureAwait(false);
        var text = result.Value;
        await answer(new EncodeResponse
        {
            Id = work.Id,
            Embedding = new()
            {
                Context = WireTensors.OfFloats(text.Context, text.Positions, text.Context.Length / text.Positions),
                Pooled = text.Pooled is { } pooled ? WireTensors.OfFloats(pooled, pooled.Length) : null,
                ModelVersion = lease.Installed.Version,
            },
            Timings = work.Timings(result),
        }).ConfigureAwait(false);
    }

    private static void Check(EncodeRequest request)
    {
        if (Encoding.UTF8.GetByteCount(request.Prompt) > MostBytes) throw MeshException.InvalidArgument("prompt", $"is longer than {MostBytes} bytes");
        if (request.Prompt.Contains('\0', StringComparison.Ordinal)) throw MeshException.InvalidArgument("prompt", "holds a NUL character");
        if (request.Absent && request.Prompt.Length > 0) throw MeshException.InvalidArgument("prompt", "must be empty where absent is set");
    }
}
