using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using Mesh.Gateway.Images;
using Mesh.Gateway.Web;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Web;

/// <summary>POST /v1/images/generations without a stream, and its errors.</summary>
public sealed class GenerationEndpointTests
{
    private static readonly Uri Path = new(GenerationEndpoint.Path, UriKind.Relative);

    [Fact]
    public async Task Post_ThreeImages_AnswersWithThemInTheirOrder()
    {
        await using var gateway = await WebGateway.StartAsync();

        var (code, answer) = await PostAsync(gateway, """{"prompt": "a red apple", "n": 3, "seed": 7, "size": "128x64"}""");

        code.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("created").GetInt64().ShouldBe(gateway.Time.GetUtcNow().ToUnixTimeSeconds());
        answer.GetProperty("size").GetString().ShouldBe("128x64");
        answer.GetProperty("output_format").GetString().ShouldBe("png");
        answer.GetProperty("background").GetString().ShouldBe("opaque");
        answer.GetProperty("usage").GetProperty("total_tokens").GetInt32().ShouldBe(0);
        answer.GetProperty("model").GetString().ShouldBe("emoji");
        answer.GetProperty("model_version").GetString().ShouldBe("ab12");
        answer.GetProperty("request_id").GetString().ShouldBe("made-here");
        var data = answer.GetProperty("data").EnumerateArray().ToList();
        data.Select(x => x.GetProperty("seed").GetUInt64()).ShouldBe([7UL, 8, 9]);
        foreach (var image in data) image.GetProperty("b64_json").GetBytesFromBase64().ShouldBe(FakeImages.Image(image.GetProperty("seed").GetUInt64()));
        data[0].GetProperty("sha256").GetString().ShouldBe(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(FakeImages.Image(7))));
        data[0].GetProperty("timings").GetProperty("generate").GetProperty("compute_us").GetInt64().ShouldBe(200);
        gateway.Images.Calls.ShouldHaveSingleItem().Caller.Name.ShouldBe(Caller.Anonymous);
    }

    [Fact]
    public async Task Post_Call_CarriesItsDeadline()
    {
        await using var gateway = await WebGateway.StartAsync(null, ("Mesh:Web:Timeout", "00:00:20"));

        await PostAsync(gateway, """{"prompt": "x"}""");

        gateway.Images.Calls.ShouldHaveSingleItem().Caller.Deadline.ShouldBe(gateway.Time.GetUtcNow().AddSeconds(20));
    }

    [Theory]
    [InlineData("""{"prompt": "x", "wat": 1}""", "wat")]
    [InlineData("""{"prompt": "x", "n": 0}""", "n")]
    [InlineData("""{"prompt": "x", "response_format": "url"}""", "response_format")]
    public async Task Post_BadField_IsABadRequestThatNamesIt(string body, string param)
    {
        await using var gateway = await WebGateway.StartAsync();

        var (code, answer) = await PostAsync(gateway, body);

        code.ShouldBe(HttpStatusCode.BadRequest);
        var error = answer.GetProperty("error");
        error.GetProperty("param").GetString().ShouldBe(param);
        error.GetProperty("message").GetString()!.ShouldContain(param);
        error.GetProperty("type").GetString().ShouldBe("invalid_request_error");
        error.GetProperty("code").GetString().ShouldBe("invalid_argument");
        gateway.Images.Calls.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("{\"prompt\": ", "invalid_json")]
    [InlineData("", "invalid_json")]
    [InlineData("""{"prompt": "x", "prompt": "y"}""", "invalid_json")]
    public async Task Post_BodyThatIsNoJson_IsABadRequest(string body, string reason)
    {
        await using var gateway = await WebGateway.StartAsync();

        var (code, answer) = await PostAsync(gateway, body);

        code.ShouldBe(HttpStatusCode.BadRequest);
        answer.GetProperty("error").GetProperty("code").GetString().ShouldBe(reason);
    }

    [Fact]
    public async Task Post_PromptThatIsNoUtf8_IsABadRequestThatNamesIt()
    {
        await using var gateway = await WebGateway.StartAsync();
        using var content = new ByteArrayContent([.. "{\"prompt\": \""u8, 0xC3, 0x28, .. "\"}"u8]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");

        var (code, answer) = await SendAsync(gateway, content);

        code.ShouldBe(HttpStatusCode.BadRequest);
        answer.GetProperty("error").GetProperty("param").GetString().ShouldBe("prompt");
    }

    [Fact]
    public async Task Post_FieldNameThatIsNoUtf8_IsABadRequest()
    {
        await using var gateway = await WebGateway.StartAsync();
        using var content = new ByteArrayContent([.. "{\"pro"u8, 0xC3, 0x28, .. "\": \"x\"}"u8]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");

        (await SendAsync(gateway, content)).Code.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Post_AnotherContentType_IsUnsupported()
    {
        await using var gateway = await WebGateway.StartAsync();
        using var content = new StringContent("""{"prompt": "x"}""", Encoding.UTF8, "text/plain");

        (await SendAsync(gateway, content)).Code.ShouldBe(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task Post_BodyBeyondTheLimit_IsTooLarge()
    {
        await using var gateway = await WebGateway.StartAsync(null, ("Mesh:Web:MaxBodyBytes", "4096"));

        var (code, answer) = await PostAsync(gateway, $$"""{"prompt": "{{new string('x', 5000)}}"}""");

        code.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        answer.GetProperty("error").GetProperty("code").GetString().ShouldBe("body_too_large");
    }

    [Theory]
    [InlineData(StatusCode.NotFound, HttpStatusCode.NotFound, "invalid_request_error")]
    [InlineData(StatusCode.FailedPrecondition, HttpStatusCode.BadRequest, "invalid_request_error")]
    [InlineData(StatusCode.Unauthenticated, HttpStatusCode.Unauthorized, "invalid_request_error")]
    [InlineData(StatusCode.PermissionDenied, HttpStatusCode.Forbidden, "invalid_request_error")]
    [InlineData(StatusCode.AlreadyExists, HttpStatusCode.Conflict, "invalid_request_error")]
    [InlineData(StatusCode.ResourceExhausted, HttpStatusCode.TooManyRequests, "rate_limit_error")]
    [InlineData(StatusCode.Unavailable, HttpStatusCode.ServiceUnavailable, "server_error")]
    [InlineData(StatusCode.DeadlineExceeded, HttpStatusCode.GatewayTimeout, "server_error")]
    [InlineData(StatusCode.Unimplemented, HttpStatusCode.NotImplemented, "server_error")]
    public async Task Post_FaultOfTheMesh_HasItsHttpCode(StatusCode status, HttpStatusCode expected, string type)
    {
        var images = new FakeImages { BeforeAccepted = _ => throw new MeshException(status, "SOME_REASON", "Some words.") };
        await using var gateway = await WebGateway.StartAsync(images);

        var (code, answer) = await PostAsync(gateway, """{"prompt": "x"}""");

        code.ShouldBe(expected);
        answer.GetProperty("error").GetProperty("type").GetString().ShouldBe(type);
        answer.GetProperty("error").GetProperty("message").GetString().ShouldBe("Some words.");
    }

    [Fact]
    public async Task Post_FieldThatTheMeshRefuses_IsNamedAsInJson()
    {
        var images = new FakeImages { BeforeAccepted = _ => throw MeshException.InvalidArguments([("count", "must be at most 64"), ("loras[0].weight", "must be at most 4")]) };
        await using var gateway = await WebGateway.StartAsync(images);

        var (_, answer) = await PostAsync(gateway, """{"prompt": "x"}""");

        answer.GetProperty("error").GetProperty("param").GetString().ShouldBe("n");
        answer.GetProperty("error").GetProperty("message").GetString().ShouldBe("n: must be at most 64; loras[0].weight: must be at most 4");
    }

    [Fact]
    public async Task Post_FullMesh_SaysWhenToComeAgain()
    {
        var images = new FakeImages { BeforeAccepted = _ => throw MeshException.Overloaded("QUEUE_FULL", "The queue is full.", TimeSpan.FromMilliseconds(1250)) };
        await using var gateway = await WebGateway.StartAsync(images);
        using var content = Json("""{"prompt": "x"}""");

        using var response = await gateway.Http.PostAsync(Path, content).DefaultTimeout();

        response.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        response.Headers.GetValues("Retry-After").ShouldBe(["2"]);
        response.Headers.GetValues("retry-after-ms").ShouldBe(["1250"]);
    }

    [Fact]
    public async Task Post_BugOfOurs_TellsAnIdAndNoText()
    {
        var images = new FakeImages { BeforeAccepted = _ => throw new ArgumentException("secret") };
        await using var gateway = await WebGateway.StartAsync(images);
        gateway.Logs.Expect<ArgumentException>();

        var (code, answer) = await PostAsync(gateway, """{"prompt": "x"}""");

        code.ShouldBe(HttpStatusCode.InternalServerError);
        answer.ToString().ShouldNotContain("secret");
        var id = answer.GetProperty("error").GetProperty("message").GetString()!.Split(' ')[^1].TrimEnd('.');
        gateway.Logs.Lines.ShouldContain(x => x.Message.Contains(id));
    }

    [Fact]
    public async Task Post_OneImageFails_AnswersWithItsFault()
    {
        var images = new FakeImages { Failure = (1, new MeshException(StatusCode.Unavailable, "STAGE_LOST", "The decoder is gone.").ToStatus()) };
        await using var gateway = await WebGateway.StartAsync(images);

        var (code, answer) = await PostAsync(gateway, """{"prompt": "x", "n": 3}""");

        code.ShouldBe(HttpStatusCode.ServiceUnavailable);
        answer.GetProperty("error").GetProperty("code").GetString().ShouldBe("stage_lost");
    }

    [Fact]
    public async Task Post_CallerHangsUp_StopsTheWork()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var images = new FakeImages { BeforeImages = cancel => { begun.SetResult(); return Task.Delay(Timeout.Infinite, cancel); } };
        await using var gateway = await WebGateway.StartAsync(images);
        using var hangUp = new CancellationTokenSource();
        using var content = Json("""{"prompt": "x"}""");
        var call = gateway.Http.PostAsync(Path, content, hangUp.Token);
        await begun.Task.DefaultTimeout();

        await hangUp.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(call);
        await images.Cancelled.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Post_WorkBeyondTheTimeLimit_EndsAsAGatewayTimeout()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var images = new FakeImages { BeforeImages = cancel => { begun.SetResult(); return Task.Delay(Timeout.Infinite, cancel); } };
        await using var gateway = await WebGateway.StartAsync(images);
        var call = PostAsync(gateway, """{"prompt": "x"}""");
        await begun.Task.DefaultTimeout();

        gateway.Time.Advance(TimeSpan.FromMinutes(10));

        (await call).Code.ShouldBe(HttpStatusCode.GatewayTimeout);
        await images.Cancelled.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Post_WhileDraining_IsUnavailable()
    {
        await using var gateway = await WebGateway.StartAsync();
        var drain = (Hosting.Health.Drain)gateway.Services.GetService(typeof(Hosting.Health.Drain))!;
        // Between the drain's beginning and the listeners' end.
        Task<(HttpStatusCode Code, JsonElement)>? call = null;
        using var began = drain.Token.Register(() => (call = PostAsync(gateway, """{"prompt": "x"}""")).Wait(TimeoutExtensions.Default));

        await gateway.StopAsync();

        (await call!).Code.ShouldBe(HttpStatusCode.ServiceUnavailable);
    }

    internal static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static async Task<(HttpStatusCode Code, JsonElement Answer)> PostAsync(WebGateway gateway, string body)
    {
        using var content = Json(body);
        return await SendAsync(gateway, content);
    }

    private static async Task<(HttpStatusCode Code, JsonElement Answer)> SendAsync(WebGateway gateway, HttpContent content)
    {
        using var response = await gateway.Http.PostAsync(Path, content).DefaultTimeout();
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
        await using var body = await response.Content.ReadAsStreamAsync().DefaultTimeout();
        using var document = await JsonDocument.ParseAsync(body).DefaultTimeout();
        return (response.StatusCode, document.RootElement.Clone());
    }
}
