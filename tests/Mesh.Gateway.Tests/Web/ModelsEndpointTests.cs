using System.Net;
using System.Text.Json;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Web;

public sealed class ModelsEndpointTests
{
    [Fact]
    public async Task List_SeveralPagesOfModels_AnswersWithThemAll()
    {
        var images = new FakeImages();
        images.Models.Add(new ModelInfo { Model = new ModelRef { Id = "sdxl/turbo", Version = "cd" }, WidthPx = 512, HeightPx = 512 });
        await using var gateway = await WebGateway.StartAsync(images);

        var (code, answer) = await GetAsync(gateway, "/v1/models");

        code.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("object").GetString().ShouldBe("list");
        var models = answer.GetProperty("data").EnumerateArray().ToList();
        models.Select(x => x.GetProperty("id").GetString()).ShouldBe(["emoji", "sdxl/turbo"]);
        models.ShouldAllBe(x => x.GetProperty("object").GetString() == "model" && x.GetProperty("owned_by").GetString() == "mesh");
        models[0].GetProperty("size").GetString().ShouldBe("64x64");
        models[0].GetProperty("loras")[0].GetString().ShouldBe("ink");
    }

    [Theory]
    [InlineData("emoji")]
    [InlineData("sdxl%2Fturbo")]
    [InlineData("sdxl/turbo")]
    public async Task Get_Model_AnswersWithIt(string path)
    {
        var images = new FakeImages();
        images.Models.Add(new ModelInfo { Model = new ModelRef { Id = "sdxl/turbo", Version = "cd" } });
        await using var gateway = await WebGateway.StartAsync(images);

        var (code, answer) = await GetAsync(gateway, $"/v1/models/{path}");

        code.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("id").GetString().ShouldBe(Uri.UnescapeDataString(path));
    }

    [Theory]
    [InlineData("GET", "/v1/models/dall-e-2", HttpStatusCode.NotFound, "model_not_found")]
    [InlineData("GET", "/v1/images/generations", HttpStatusCode.MethodNotAllowed, "method_not_allowed")]
    [InlineData("DELETE", "/v1/models", HttpStatusCode.MethodNotAllowed, "method_not_allowed")]
    [InlineData("POST", "/v1/images/edits", HttpStatusCode.NotFound, "unknown_url")]
    public async Task Request_ThatTheApiHasNot_IsRefusedInItsWords(string method, string path, HttpStatusCode expected, string reason)
    {
        await using var gateway = await WebGateway.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        using var response = await gateway.Http.SendAsync(request).DefaultTimeout();

        response.StatusCode.ShouldBe(expected);
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync().DefaultTimeout());
        document.RootElement.GetProperty("error").GetProperty("code").GetString().ShouldBe(reason);
    }

    private static async Task<(HttpStatusCode Code, JsonElement Answer)> GetAsync(WebGateway gateway, string path)
    {
        using var response = await gateway.Http.GetAsync(new Uri(path, UriKind.Relative)).DefaultTimeout();
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync().DefaultTimeout());
        return (response.StatusCode, document.RootElement.Clone());
    }
}
