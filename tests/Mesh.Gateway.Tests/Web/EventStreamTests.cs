using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using Mesh.Gateway.Web;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Web;

/// <summary>POST /v1/images/generations with "stream": true, read as raw lines.</summary>
public sealed class EventStreamTests
{
    private static readonly Uri Path = new(GenerationEndpoint.Path, UriKind.Relative);

    [Fact]
    public async Task Stream_WithPartialImages_SendsThemBeforeTheImages()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var gateway = await WebGateway.StartAsync(new FakeImages { BeforeImages = cancel => go.Task.WaitAsync(cancel) });
        using var events = await OpenAsync(gateway, """{"prompt": "a red apple", "n": 2, "seed": 7, "stream": true, "partial_images": 1, "output_format": "jpeg"}""");

        events.Response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        events.Response.Headers.CacheControl!.NoCache.ShouldBeTrue();
        for (var i = 0; i < 2; i++)
        {
            var (name, partial) = await events.NextAsync();
            name.ShouldBe("image_generation.partial_image");
            partial.GetProperty("type").GetString().ShouldBe(name);
            partial.GetProperty("b64_json").GetBytesFromBase64().ShouldBe(FakeImages.Preview(7 + (ulong)i));
            partial.GetProperty("partial_image_index").GetInt32().ShouldBe(0);
            partial.GetProperty("image_index").GetInt32().ShouldBe(i);
            partial.GetProperty("output_format").GetString().ShouldBe("jpeg");
            partial.GetProperty("created_at").GetInt64().ShouldBe(gateway.Time.GetUtcNow().ToUnixTimeSeconds());
            partial.GetProperty("size").GetString().ShouldBe("64x64");
        }
        // No image is begun before both previews were read here.
        go.SetResult();
        for (var i = 1; i >= 0; i--)
        {
            var (name, completed) = await events.NextAsync();
            name.ShouldBe("image_generation.completed");
            completed.GetProperty("type").GetString().ShouldBe(name);
            completed.GetProperty("b64_json").GetBytesFromBase64().ShouldBe(FakeImages.Image(7 + (ulong)i));
            completed.GetProperty("image_index").GetInt32().ShouldBe(i);
            completed.GetProperty("seed").GetUInt64().ShouldBe(7 + (ulong)i);
            completed.GetProperty("usage").GetProperty("input_tokens_details").GetProperty("text_tokens").GetInt32().ShouldBe(0);
            completed.GetProperty("timings").GetProperty("decode").GetProperty("total_us").GetInt64().ShouldBe(110);
        }
        (await events.TryNextAsync()).ShouldBeNull();
    }

    [Theory]
    [InlineData("""{"prompt": "x", "stream": true}""")]
    [InlineData("""{"prompt": "x", "stream": true, "partial_images": 0}""")]
    public async Task Stream_WithoutPartialImages_SendsTheImageAlone(string body)
    {
        await using var gateway = await WebGateway.StartAsync();
        using var events = await OpenAsync(gateway, body);

        (await events.NextAsync()).Name.ShouldBe("image_generation.completed");
        (await events.TryNextAsync()).ShouldBeNull();
    }

    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    public async Task Stream_ModelWithoutPreviews_SendsTheImageAlone(string model)
    {
        var images = new FakeImages();
        images.Models[0].Preview = false;
        images.Models.Add(new Contracts.Image.V1.ModelInfo { Model = new Contracts.Common.V1.ModelRef { Id = "plain" } });
        await using var gateway = await WebGateway.StartAsync(images);
        using var events = await OpenAsync(gateway, $$"""{"prompt": "x", "stream": true, "partial_images": 3, "model": "{{model}}"}""");

        (await events.NextAsync()).Name.ShouldBe("image_generation.completed");
        (await events.TryNextAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task Stream_FaultBeforeTheFirstEvent_IsAPlainError()
    {
        await using var gateway = await WebGateway.StartAsync(new FakeImages { BeforeAccepted = _ => throw MeshException.NotFound("model", "dall-e-2") });
        using var content = GenerationEndpointTests.Json("""{"prompt": "x", "model": "dall-e-2", "stream": true}""");

        using var response = await gateway.Http.PostAsync(Path, content).DefaultTimeout();

        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync().DefaultTimeout()).RootElement.GetProperty("error");
        error.GetProperty("code").GetString().ShouldBe("model_not_found");
        error.GetProperty("param").GetString().ShouldBe("model");
    }

    [Fact]
    public async Task Stream_FaultAfterEvents_IsAnEventAndTheEnd()
    {
        var failure = new MeshException(StatusCode.Unavailable, "STAGE_LOST", "The decoder is gone.").ToStatus();
        await using var gateway = await WebGateway.StartAsync(new FakeImages { Failure = (0, failure) });
        using var events = await OpenAsync(gateway, """{"prompt": "x", "n": 2, "stream": true}""");

        (await events.NextAsync()).Name.ShouldBe("image_generation.completed");
        var (name, data) = await events.NextAsync();
        name.ShouldBe("error");
        data.GetProperty("type").GetString().ShouldBe("error");
        data.GetProperty("error").GetProperty("code").GetString().ShouldBe("stage_lost");
        data.GetProperty("error").GetProperty("message").GetString().ShouldBe("The decoder is gone.");
        (await events.TryNextAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task Stream_Silence_IsFilledWithComments()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var gateway = await WebGateway.StartAsync(new FakeImages { BeforeImages = cancel => { waiting.SetResult(); return go.Task.WaitAsync(cancel); } });
        using var events = await OpenAsync(gateway, """{"prompt": "x", "stream": true}""");
        await waiting.Task.DefaultTimeout();

        for (var i = 0; i < 2; i++)
        {
            // The clock may be moved before the silence is watched; then a later move ends it.
            var line = events.ReadLineAsync();
            while (!line.IsCompleted)
            {
                gateway.Time.Advance(TimeSpan.FromSeconds(15));
                await Task.WhenAny(line, Task.Delay(20));
            }
            (await line).ShouldBe(": ");
            (await events.ReadLineAsync()).ShouldBe("");
        }
        go.SetResult();
        (await events.NextAsync()).Name.ShouldBe("image_generation.completed");
    }

    [Fact]
    public async Task Stream_CallerHangsUp_StopsTheWork()
    {
        var images = new FakeImages { BeforeImages = cancel => Task.Delay(Timeout.Infinite, cancel) };
        await using var gateway = await WebGateway.StartAsync(images);
        using (var events = await OpenAsync(gateway, """{"prompt": "x", "stream": true, "partial_images": 1}"""))
            (await events.NextAsync()).Name.ShouldBe("image_generation.partial_image");

        await images.Cancelled.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Stream_OverABareSocket_IsFramedAsTheStandardSays()
    {
        await using var gateway = await WebGateway.StartAsync();
        using var socket = new TcpClient();
        await socket.ConnectAsync(gateway.Http.BaseAddress!.Host, gateway.Http.BaseAddress.Port).DefaultTimeout();
        // HTTP/1.0 knows no chunks: what comes is the body as it is.
        const string body = """{"prompt": "x", "stream": true, "partial_images": 1}""";
        var request = $"POST {GenerationEndpoint.Path} HTTP/1.0\r\nHost: mesh\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}";
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request)).DefaultTimeout();

        using var reader = new StreamReader(socket.GetStream(), Encoding.UTF8);
        var text = (await reader.ReadToEndAsync().DefaultTimeout()).ReplaceLineEndings("\n");

        text.ShouldStartWith("HTTP/1.1 200 OK\n");
        text.ShouldContain("Content-Type: text/event-stream\n");
        text.ShouldContain("event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"");
        text.ShouldContain("event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"");
    }

    private static async Task<EventReader> OpenAsync(WebGateway gateway, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = GenerationEndpointTests.Json(body) };
        var response = await gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).DefaultTimeout();
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        return new EventReader(response, new StreamReader(await response.Content.ReadAsStreamAsync().DefaultTimeout(), Encoding.UTF8));
    }

    private sealed record EventReader(HttpResponseMessage Response, StreamReader Lines) : IDisposable
    {
        public Task<string?> ReadLineAsync() => Lines.ReadLineAsync().DefaultTimeout();

        public async Task<(string Name, JsonElement Data)> NextAsync() => (await TryNextAsync()).ShouldNotBeNull();

        public async Task<(string Name, JsonElement Data)?> TryNextAsync()
        {
            var first = await ReadLineAsync();
            while (first is ": ")
            {
                (await ReadLineAsync()).ShouldBe("");
                first = await ReadLineAsync();
            }
            if (first is null) return null;
            first.ShouldStartWith("event: ");
            var data = (await ReadLineAsync())!;
            data.ShouldStartWith("data: ");
            (await ReadLineAsync()).ShouldBe("");
            using var document = JsonDocument.Parse(data["data: ".Length..]);
            return (first["event: ".Length..], document.RootElement.Clone());
        }

        public void Dispose()
        {
            Lines.Dispose();
            Response.Dispose();
        }
    }
}
