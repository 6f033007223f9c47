using System.Text.Json;
using Mesh.Gateway.Images;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Web;

/// <summary>GET /v1/models and /v1/models/{id}.</summary>
internal sealed class ModelsEndpoint(IImages images, FaultReporter faults, WebMetrics metrics, TimeProvider time)
{
    /// <summary>The path of the list.</summary>
    public const string Path = "/v1/models";

    // A model has no time of its own that is worth telling; clients want a number.
    private readonly long _created = time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Answers with every model, in the order of their ids.</summary>
    public Task ListAsync(HttpContext context) =>
        AnswerAsync(context, Path, () => new ModelsAnswer("list", [.. images.Models().Select(x => ModelDatum.Of(x, _created))]));

    /// <summary>Answers with the model that the path names.</summary>
    public Task GetAsync(HttpContext context)
    {
        // The server leaves an escaped slash in a path as it is, because it parts segments; in an id it does not.
        var id = ((string?)context.Request.RouteValues["id"] ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        return AnswerAsync(context, $"{Path}/{{id}}", () =>
            ModelDatum.Of(images.Models().FirstOrDefault(x => x.Model.Id == id) ?? throw MeshException.NotFound("model", id), _created));
    }

    private async Task AnswerAsync<T>(HttpContext context, string path, Func<T> answer)
    {
        using var call = metrics.Begin(path, context);
        T body;
        try
        {
            body = answer();
        }
        catch (Exception e)
        {
            await WebErrors.WriteAsync(context, faults.Report(e, deadlinePassed: false, path).ToStatus());
            return;
        }
        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, body, WebJson.Options, context.RequestAborted);
    }
}
