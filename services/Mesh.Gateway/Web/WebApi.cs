using Mesh.Hosting;

namespace Mesh.Gateway.Web;

/// <summary>The OpenAI-style API in the gateway.</summary>
internal static class WebApi
{
    /// <summary>Adds what the API needs besides <see cref="Images.IImages"/>.</summary>
    public static WebApplicationBuilder AddWebApi(this WebApplicationBuilder builder)
    {
        builder.AddMeshOptions<WebOptions>(WebOptions.SectionName);
        builder.Services.AddSingleton<WebMetrics>();
        builder.Services.AddSingleton<GenerationEndpoint>();
        builder.Services.AddSingleton<ModelsEndpoint>();
        return builder;
    }

    /// <summary>Maps the API; under /v1 everything else is answered with OpenAI's error too.</summary>
    public static void MapWebApi(this WebApplication app)
    {
        var generation = app.Services.GetRequiredService<GenerationEndpoint>();
        var models = app.Services.GetRequiredService<ModelsEndpoint>();
        app.MapPost(GenerationEndpoint.Path, generation.RunAsync);
        app.MapGet(ModelsEndpoint.Path, models.ListAsync);
        app.MapGet($"{ModelsEndpoint.Path}/{{**id}}", models.GetAsync);
        app.Map(GenerationEndpoint.Path, context => RefuseMethodAsync(context, HttpMethods.Post));
        app.Map(ModelsEndpoint.Path, context => RefuseMethodAsync(context, HttpMethods.Get));
        app.Map("/v1/{**rest}", RefusePathAsync);
    }

    private static Task RefuseMethodAsync(HttpContext context, string allowed)
    {
        context.Response.Headers.Allow = allowed;
        return WebErrors.WriteAsync(context, StatusCodes.Status405MethodNotAllowed,
            WebErrors.Invalid($"{context.Request.Path} takes {allowed}, not {context.Request.Method}.", null, "method_not_allowed"));
    }

    private static Task RefusePathAsync(HttpContext context) => WebErrors.WriteAsync(context, StatusCodes.Status404NotFound,
        WebErrors.Invalid($"There is no {context.Request.Method} {context.Request.Path} here; {GenerationEndpoint.Path} and {ModelsEndpoint.Path} are.", null, "unknown_url"));
}
