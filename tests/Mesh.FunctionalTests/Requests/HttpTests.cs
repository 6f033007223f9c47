using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Mesh.Client;
using Mesh.Contracts.Image.V1;
using Mesh.Testing;

namespace Mesh.FunctionalTests.Requests;

/// <summary>A mesh whose generator's answers can be held back, and a client of its HTTP.</summary>
public sealed class HttpMesh : IAsyncLifetime
{
    private readonly ManualResetEventSlim _gate = new(initialState: true);
    private int _passing;

    public RunningMesh Mesh { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        var relay = new GeneratorRelay { Answered = _ => { if (Interlocked.Decrement(ref _passing) < 0) _gate.Wait(TimeoutExtensions.Default); } };
        Mesh = await RunningMesh.StartAsync(new MeshLayout { Settings = TinyModels.FlowSettings, Relay = relay });
        Client = new HttpClient { BaseAddress = new Uri(Mesh.Http), Timeout = TimeoutExtensions.Default };
    }

    /// <summary>Lets one more answer pass, and holds back what follows.</summary>
    public void HoldAllButOne()
    {
        Volatile.Write(ref _passing, 1);
        _gate.Reset();
    }

    /// <summary>Lets everything pass.</summary>
    public void LetGo() => _gate.Set();

    public async Task DisposeAsync()
    {
        LetGo();
        Client.Dispose();
        await Mesh.DisposeAsync();
        _gate.Dispose();
    }
}

/// <summary>The OpenAI-style call to a whole mesh, by a plain HTTP client.</summary>
public sealed class HttpTests(HttpMesh mesh) : IClassFixture<HttpMesh>, IDisposable
{
    private const string Prompt = "a red apple";
    private const ulong Seed = 21;

    public void Dispose() => mesh.LetGo();

    [Theory]
    [InlineData("png", Contracts.Image.V1.ImageFormat.Png)]
    [InlineData("jpeg", Contracts.Image.V1.ImageFormat.Jpeg)]
    [InlineData("webp", Contracts.Image.V1.ImageFormat.Webp)]
    public async Task Post_SameRequestAsByGrpc_GivesTheSameBytes(string name, Contracts.Image.V1.ImageFormat format)
    {
        using var response = await mesh.Client.PostAsJsonAsync("/v1/images/generations",
            new { prompt = Prompt, n = 2, seed = Seed, steps = 2, guidance = 2.5, negative_prompt = "a worm", loras = new[] { new { name = TinyModels.Style, weight = 0.5 } }, output_format = name });
        var text = await response.Content.ReadAsStringAsync();
        response.IsSuccessStatusCode.ShouldBeTrue(text);
        using var document = JsonDocument.Parse(text);
        var files = document.RootElement.GetProperty("data").EnumerateArray().Select(x => x.GetProperty("b64_json").GetBytesFromBase64()).ToList();

        var drawn = await mesh.Mesh.Front.Images.DrawAsync(new GenerateRequest
        {
            Prompt = Prompt,
            NegativePrompt = "a worm",
            Count = 2,
            Seeds = { Seed },
            Steps = 2,
            Guidance = 2.5f,
            Loras = { new Contracts.Common.V1.Lora { Name = TinyModels.Style, Weight = 0.5f } },
            Format = format,
        });

        files.ShouldBe([drawn.File(0), drawn.File(1)]);
        document.RootElement.GetProperty("model_version").GetString().ShouldBe(drawn.Accepted.Model.Version);
    }

    [Fact]
    public async Task Post_SameRequestAsByOurClient_GivesTheSameBytes()
    {
        using var response = await mesh.Client.PostAsJsonAsync("/v1/images/generations", new { prompt = Prompt, seed = Seed });
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        using var client = new MeshClient(new MeshClientOptions { Address = "http://" + mesh.Mesh.Address });

        var images = await client.GenerateImagesAsync(new GenerationRequest(Prompt) { Seeds = [Seed] }).DefaultTimeout();

        document.RootElement.GetProperty("data")[0].GetProperty("b64_json").GetBytesFromBase64().ShouldBe(images.ShouldHaveSingleItem().Bytes.ToArray());
    }

    [Fact]
    public async Task Stream_OfTwoImages_SendsTheFirstWhileTheSecondIsHeldBack()
    {
        mesh.HoldAllButOne();
        using var response = await OpenAsync(new { prompt = Prompt, n = 2, seed = Seed, stream = true, partial_images = 1 });
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(), Encoding.UTF8);

        (string Name, int Image)[] early = [await NextAsync(lines), await NextAsync(lines)];
        mesh.LetGo();
        (string Name, int Image)[] late = [await NextAsync(lines), await NextAsync(lines)];

        early.ShouldBe([("image_generation.partial_image", early[0].Image), ("image_generation.completed", early[0].Image)]);
        late.ShouldBe([("image_generation.partial_image", 1 - early[0].Image), ("image_generation.completed", 1 - early[0].Image)]);
        (await lines.ReadLineAsync().DefaultTimeout()).ShouldBeNull();
    }

    [Fact]
    public async Task Stream_CallerHangsUp_EndsTheCall()
    {
        mesh.HoldAllButOne();
        using (var response = await OpenAsync(new { prompt = Prompt, n = 8, seed = Seed, stream = true }))
        {
            using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(), Encoding.UTF8);
            (await NextAsync(lines)).Name.ShouldBe("image_generation.completed");
            (await mesh.Mesh.Front.StatusAsync()).Calls.ShouldBe(1);
        }

        // What the generator still has is held back: nothing but the hanging up ends the call.
        await mesh.Mesh.Front.WhenAsync(x => x.Calls == 0);
    }

    private async Task<HttpResponseMessage> OpenAsync(object body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/images/generations") { Content = JsonContent.Create(body) };
        var response = await mesh.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).DefaultTimeout();
        response.IsSuccessStatusCode.ShouldBeTrue();
        return response;
    }

    private static async Task<(string Name, int Image)> NextAsync(StreamReader lines)
    {
        var name = (await lines.ReadLineAsync().DefaultTimeout()).ShouldNotBeNull();
        var data = (await lines.ReadLineAsync().DefaultTimeout()).ShouldNotBeNull();
        (await lines.ReadLineAsync().DefaultTimeout()).ShouldBe("");
        using var document = JsonDocument.Parse(data["data: ".Length..]);
        document.RootElement.GetProperty("b64_json").GetBytesFromBase64().ShouldNotBeEmpty();
        return (name["event: ".Length..], document.RootElement.GetProperty("image_index").GetInt32());
    }
}
