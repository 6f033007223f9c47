using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Keys;
using Mesh.Gateway.Tests.Web;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Keys;

/// <summary>Keys over real sockets, by gRPC and HTTP.</summary>
public sealed class ApiKeysTests
{
    private const string StudioKey = "msh-3f0c7a51d2";
    private const string ShopKey = "msh-ä-99";

    private static readonly (string, string)[] TwoKeys =
    [
        ("Mesh:Keys:0:Name", "studio"), ("Mesh:Keys:0:Sha256", Hash(StudioKey)), ("Mesh:Keys:0:ImagesPerMinute", "2"),
        ("Mesh:Keys:1:Name", "shop"), ("Mesh:Keys:1:Sha256", Hash(ShopKey).ToUpperInvariant()),
    ];

    [Fact]
    public async Task Grpc_WithAKey_CallsInItsName()
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);

        await GenerateAsync(gateway, new Metadata { { "authorization", $"Bearer {StudioKey}" } });
        await GenerateAsync(gateway, new Metadata { { "authorization", $"bearer  {StudioKey}" } });

        gateway.Images.Calls.Select(x => x.Caller.Name).ShouldBe(["studio", "studio"]);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Bearer msh-wrong")]
    [InlineData("Bearer ")]
    [InlineData("Basic " + StudioKey)]
    [InlineData(StudioKey)]
    [InlineData("Bearer " + StudioKey + " more")]
    public async Task Grpc_WithoutAKnownKey_IsUnauthenticated(string? header)
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);

        var e = await Should.ThrowAsync<RpcException>(GenerateAsync(gateway, header is null ? [] : new Metadata { { "authorization", header } }));

        e.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        e.Status.Detail.ShouldContain("ey");
        var info = e.ToStatus().Detail<ErrorInfo>().ShouldNotBeNull();
        (info.Domain, info.Reason).ShouldBe((FaultReasons.Domain, FaultReasons.Unauthenticated));
        gateway.Images.Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task Grpc_Health_NeedsNoKey()
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);

        var health = await new Health.HealthClient(gateway.Grpc).CheckAsync(new HealthCheckRequest()).ResponseAsync.DefaultTimeout();

        health.Status.ShouldBe(HealthCheckResponse.Types.ServingStatus.Serving);
    }

    [Fact]
    public async Task Grpc_QuotaUsedUp_SaysWhoseAndForHowLong()
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);
        var key = new Metadata { { "authorization", $"Bearer {StudioKey}" } };
        await GenerateAsync(gateway, key);
        await GenerateAsync(gateway, key);

        var e = await Should.ThrowAsync<RpcException>(GenerateAsync(gateway, key));

        e.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        e.ToStatus().Detail<QuotaFailure>()!.Violations.ShouldHaveSingleItem().Subject.ShouldBe("key:studio");
        e.ToStatus().Detail<RetryInfo>()!.RetryDelay.Seconds.ShouldBeInRange(1, 61);
    }

    [Fact]
    public async Task Http_WithAKey_CallsInItsName()
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);

        using var response = await PostAsync(gateway, ("Bearer", StudioKey));

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        gateway.Images.Calls.ShouldHaveSingleItem().Caller.Name.ShouldBe("studio");
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("Bearer", "msh-wrong")]
    [InlineData("Basic", StudioKey)]
    public async Task Http_WithoutAKnownKey_IsUnauthorized(string? scheme, string? key)
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);

        using var response = await PostAsync(gateway, scheme is null ? null : (scheme, key!));

        response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        response.Headers.WwwAuthenticate.ShouldHaveSingleItem().Scheme.ShouldBe("Bearer");
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync().DefaultTimeout());
        document.RootElement.GetProperty("error").GetProperty("code").GetString().ShouldBe("invalid_api_key");
        gateway.Images.Calls.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("/healthz", HttpStatusCode.OK)]
    [InlineData("/readyz", HttpStatusCode.OK)]
    [InlineData("/v1/models", HttpStatusCode.Unauthorized)]
    [InlineData("/healthzz", HttpStatusCode.Unauthorized)]
    [InlineData("/", HttpStatusCode.Unauthorized)]
    public async Task Http_WithoutAKey_OpensHealthAlone(string path, HttpStatusCode expected)
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);

        using var response = await gateway.Http.GetAsync(new Uri(path, UriKind.Relative)).DefaultTimeout();

        response.StatusCode.ShouldBe(expected);
    }

    [Fact]
    public async Task Http_QuotaUsedUp_IsTooManyRequests()
    {
        await using var gateway = await WebGateway.StartAsync(null, TwoKeys);
        using (var first = await PostAsync(gateway, ("Bearer", StudioKey), 2)) first.StatusCode.ShouldBe(HttpStatusCode.OK);

        using var response = await PostAsync(gateway, ("Bearer", StudioKey));

        response.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        int.Parse(response.Headers.GetValues("Retry-After").Single(), System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(1, 61);
    }

    [Fact]
    public async Task Http_WithoutAnyKeysConfigured_IsOpen()
    {
        await using var gateway = await WebGateway.StartAsync();

        using var response = await PostAsync(gateway, ("Bearer", "whatever"));

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("Mesh:Keys:0:Name", "", "Name")]
    [InlineData("Mesh:Keys:0:Name", "two words", "Name")]
    [InlineData("Mesh:Keys:0:Sha256", "abc", "Sha256")]
    [InlineData("Mesh:Keys:0:Sha256", "zz", "Sha256")]
    [InlineData("Mesh:Keys:1:Name", "studio", "two keys are named 'studio'")]
    [InlineData("Mesh:Keys:0:MaxInFlight", "0", "MaxInFlight")]
    [InlineData("Mesh:Keys:0:ImagesPerMinute", "many", "ImagesPerMinute")]
    [InlineData("Mesh:Keys:0:Key", "open", "unknown key")]
    public async Task Start_WithABadKey_IsRefused(string setting, string value, string words)
    {
        var e = await Should.ThrowAsync<ConfigurationException>(WebGateway.StartAsync(null, [.. TwoKeys.Where(x => x.Item1 != setting), (setting, value)]));

        e.Message.ShouldContain(words);
    }

    [Fact]
    public async Task Start_WithOneKeyTwice_IsRefused()
    {
        var e = await Should.ThrowAsync<ConfigurationException>(WebGateway.StartAsync(null, [.. TwoKeys.Where(x => x.Item1 != "Mesh:Keys:1:Sha256"), ("Mesh:Keys:1:Sha256", Hash(StudioKey))]));

        e.Message.ShouldContain("'studio' and 'shop' are the same key");
    }

    [Fact]
    public void Ring_Keys_AreFoundByTheirBytes()
    {
        var ring = new ApiKeyRing([new ApiKeyOptions { Name = "shop", Sha256 = Hash(ShopKey) }]);

        ring.FindName(ShopKey).ShouldBe("shop");
        ring.FindName(ShopKey + " ").ShouldBeNull();
        ring.FindName("").ShouldBeNull();
        ring.FindName(new string('x', 100_000)).ShouldBeNull();
        new ApiKeyRing([]).IsEmpty.ShouldBeTrue();
    }

    internal static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    private static async Task GenerateAsync(WebGateway gateway, Metadata headers)
    {
        using var call = gateway.Service.Generate(new GenerateRequest { Prompt = "x" }, headers, DateTime.UtcNow + TimeoutExtensions.Default);
        while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
            // To its end.
        }
    }

    private static async Task<HttpResponseMessage> PostAsync(WebGateway gateway, (string Scheme, string Key)? authorization, int n = 1)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/images/generations") { Content = GenerationEndpointTests.Json($$"""{"prompt": "x", "n": {{n}}}""") };
        if (authorization is { } known) request.Headers.Authorization = new AuthenticationHeaderValue(known.Scheme, known.Key);
        return await gateway.Http.SendAsync(request).DefaultTimeout();
    }
}
