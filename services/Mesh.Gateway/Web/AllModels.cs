using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;

namespace Mesh.Gateway.Web;

/// <summary>What the API asks of the models.</summary>
internal static class AllModels
{
    private const int PageSize = 100;

    /// <summary>Every model, in the order of their ids.</summary>
    public static IEnumerable<ModelInfo> Models(this IImages images)
    {
        var request = new ListModelsRequest { PageSize = PageSize };
        do
        {
            var page = images.ListModels(request);
            foreach (var model in page.Models) yield return model;
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
    }

    /// <summary>Whether a model, the default one where the id is empty, has previews to send.</summary>
    public static bool CanPreview(this IImages images, string id) =>
        id.Length == 0 ? images.GetCapabilities().Preview : images.Models().Any(x => x.Model.Id == id && x.Preview);
}
