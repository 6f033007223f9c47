using System.Text.Json;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Keys;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Health;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Web;

/// <summary>POST /v1/images/generations.</summary>
internal sealed class GenerationEndpoint(IImages images, FaultReporter faults, Drain drain, IOptions<WebOptions> options, WebMetrics metrics, TimeProvider time)
{
    /// <summary>Its path.</summary>
    public const string Path = "/v1/images/generations";

    // One object with lists of objects in it, and room for what is refused by name rather than by depth.
    private static readonly JsonDocumentOptions Json = new() { MaxDepth = 16, AllowDuplicateProperties = false };

    /// <summary>Answers with images, with a stream of events, or with an error. A caller that hangs up stops the work.</summary>
    public async Task RunAsync(HttpContext context)
    {
        using var call = metrics.Begin(Path, context);
        using var late = new CancellationTokenSource(options.Value.Timeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(late.Token, context.RequestAborted);
        var events = new ServerSentEvents(context.Response);
        try
        {
            if (drain.IsDraining) throw MeshException.Unavailable(FaultReasons.Draining, "The service is shutting down and takes no new work.", TimeSpan.FromSeconds(1));
            await GenerateAsync(context, await ReadAsync(context, stop.Token), events, stop);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be told.
            if (!context.Response.HasStarted) context.Response.StatusCode = WebErrors.ClientClosedRequest;
        }
        catch (WebFaultException e) when (!context.Response.HasStarted)
        {
            await WebErrors.WriteAsync(context, e.Code, e.Error);
        }
        catch (Exception e)
        {
            var status = e is ImageFailedException failed ? failed.Status : faults.Report(e, late.IsCancellationRequested, Path).ToStatus();
            if (!context.Response.HasStarted) await WebErrors.WriteAsync(context, status);
            else await events.WriteAsync("error", new ErrorEvent("error", WebErrors.ToError(status)), context.RequestAborted);
        }
    }

    private async Task<GenerationCall> ReadAsync(HttpContext context, CancellationToken cancel)
    {
        if (!context.Request.HasJsonContentType())
            throw new WebFaultException(StatusCodes.Status415UnsupportedMediaType, WebErrors.Invalid("The content type must be application/json.", null, "unsupported_media_type"));
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = options.Value.MaxBodyBytes;
        try
        {
            using var body = await JsonDocument.ParseAsync(context.Request.Body, Json, cancel);
            return GenerationReader.Read(body.RootElement);
        }
        catch (BadHttpRequestException e)
        {
            var code = e.StatusCode == StatusCodes.Status413PayloadTooLarge ? "body_too_large" : "bad_request";
            throw new WebFaultException(e.StatusCode, WebErrors.Invalid(e.Message, null, code));
        }
        catch (JsonException e)
        {
            throw new WebFaultException(StatusCodes.Status400BadRequest, WebErrors.Invalid($"The body is not valid JSON: {e.Message}", null, "invalid_json"));
        }
    }

    private async Task GenerateAsync(HttpContext context, GenerationCall call, ServerSentEvents sent, CancellationTokenSource stop)
    {
        var created = time.GetUtcNow();
        var caller = KeyCaller.Of(context, created + options.Value.Timeout);
        var pictures = new PictureAssembler();
        // How many partial images come is the server's choice in this API: none from a model that has none.
        if (call.Request.Preview) call.Request.Preview = images.CanPreview(call.Request.Model);
        await using var events = new QuietEvents<GenerateResponse>(
            images.GenerateAsync(call.Request, caller, stop.Token).GetAsyncEnumerator(stop.Token),
            () => call.Stream && context.Response.HasStarted ? sent.WriteCommentAsync(stop.Token) : Task.CompletedTask, options.Value.KeepAlive, time, stop);

        // What is wrong with the call shows before the first event: until then an error has its own HTTP code.
        List<Picture> whole = [];
        while (await events.MoveNextAsync())
        {
            var picture = pictures.Take(events.Current);
            if (call.Stream && !context.Response.HasStarted) await sent.BeginAsync(stop.Token);
            if (picture is null) continue;
            if (!call.Stream && picture.Completed is not null) whole.Add(picture);
            if (call.Stream) await SendAsync(sent, Answers(), picture, stop.Token);
        }
        pictures.End();
        if (call.Stream) return;
        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, Answers().Whole(whole), WebJson.Options, stop.Token);

        GenerationAnswers Answers() => new(call, pictures.Accepted ?? throw new InvalidOperationException("A call began with another event."), created.ToUnixTimeSeconds());
    }

    private static Task SendAsync(ServerSentEvents sent, GenerationAnswers answers, Picture picture, CancellationToken cancel)
    {
        if (picture.Completed is null)
        {
            var partial = answers.Partial(picture);
            return sent.WriteAsync(partial.Type, partial, cancel);
        }
        var final = answers.Final(picture);
        return sent.WriteAsync(final.Type, final, cancel);
    }
}
