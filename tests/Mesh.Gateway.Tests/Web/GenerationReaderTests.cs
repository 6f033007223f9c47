using System.Text.Json;
using Google.Rpc;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Web;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Tests.Web;

public sealed class GenerationReaderTests
{
    [Fact]
    public void Read_PromptAlone_LeavesTheRestToTheMesh()
    {
        var call = Read("""{"prompt": "a red apple"}""");

        call.Request.ShouldBe(new GenerateRequest { Prompt = "a red apple", Format = ImageFormat.Png });
        call.Stream.ShouldBeFalse();
        call.OutputFormat.ShouldBe("png");
    }

    [Fact]
    public void Read_EveryField_BecomesItsFieldOfTheProto()
    {
        var call = Read("""
            {"prompt": "a red apple", "negative_prompt": "worm", "model": "emoji", "n": 3, "seed": 18446744073709551615, "size": "640x320", "steps": 4, "guidance": 7.5,
             "loras": [{"name": "ink", "weight": -0.5}, {"name": "glow"}], "response_format": "b64_json", "output_format": "webp", "output_compression": 60,
             "stream": true, "partial_images": 2, "request_id": "6f1c4c3e-0b8e-4b0e-9d53-8d7b6d6f3a11"}
            """);

        call.Request.ShouldBe(new GenerateRequest
        {
            Prompt = "a red apple",
            NegativePrompt = "worm",
            Model = "emoji",
            Count = 3,
            Seeds = { ulong.MaxValue },
            WidthPx = 640,
            HeightPx = 320,
            Steps = 4,
            Guidance = 7.5f,
            Loras = { new Contracts.Common.V1.Lora { Name = "ink", Weight = -0.5f }, new Contracts.Common.V1.Lora { Name = "glow", Weight = 1 } },
            Format = ImageFormat.Webp,
            Quality = 60,
            Preview = true,
            RequestId = "6f1c4c3e-0b8e-4b0e-9d53-8d7b6d6f3a11",
        });
        call.Stream.ShouldBeTrue();
        call.OutputFormat.ShouldBe("webp");
    }

    [Theory]
    [InlineData("""{"prompt": "x", "user": "u1", "quality": "hd", "style": "vivid", "background": "transparent", "moderation": "low"}""")]
    [InlineData("""{"prompt": "x", "n": null, "seed": null, "size": null, "stream": null, "nothing": null, "quality": null}""")]
    [InlineData("""{"prompt": "x", "size": "auto", "output_format": "png", "output_compression": 100, "partial_images": 3}""")]
    public void Read_FieldsWithoutMeaning_ChangeNothing(string body) =>
        Read(body).Request.ShouldBe(new GenerateRequest { Prompt = "x", Format = ImageFormat.Png });

    [Theory]
    [InlineData("0", 1)]
    [InlineData("1", 1)]
    [InlineData("100", 100)]
    public void Read_CompressionOfJpeg_IsItsQuality(string compression, int quality) =>
        Read($$"""{"prompt": "x", "output_format": "jpeg", "output_compression": {{compression}}}""").Request.Quality.ShouldBe(quality);

    [Theory]
    [InlineData("""{"prompt": 7}""", "prompt")]
    [InlineData("""{"prompt": "\ud800"}""", "prompt")]
    [InlineData("""{"negative_prompt": []}""", "negative_prompt")]
    [InlineData("""{"model": {}}""", "model")]
    [InlineData("""{"n": 0}""", "n")]
    [InlineData("""{"n": -1}""", "n")]
    [InlineData("""{"n": 1.5}""", "n")]
    [InlineData("""{"n": "2"}""", "n")]
    [InlineData("""{"n": 99999999999}""", "n")]
    [InlineData("""{"seed": -1}""", "seed")]
    [InlineData("""{"seed": 18446744073709551616}""", "seed")]
    [InlineData("""{"seed": "7"}""", "seed")]
    [InlineData("""{"size": "0x64"}""", "size")]
    [InlineData("""{"size": "64"}""", "size")]
    [InlineData("""{"size": "64x"}""", "size")]
    [InlineData("""{"size": "-64x64"}""", "size")]
    [InlineData("""{"size": "64x64\n"}""", "size")]
    [InlineData("""{"size": "64x99999999999"}""", "size")]
    [InlineData("""{"size": 64}""", "size")]
    [InlineData("""{"steps": 0}""", "steps")]
    [InlineData("""{"guidance": "7"}""", "guidance")]
    [InlineData("""{"guidance": 1e39}""", "guidance")]
    [InlineData("""{"loras": {}}""", "loras")]
    [InlineData("""{"loras": ["ink"]}""", "loras[0]")]
    [InlineData("""{"loras": [{"name": "ink"}, {"name": 3}]}""", "loras[1].name")]
    [InlineData("""{"loras": [{"name": "ink", "weight": "1"}]}""", "loras[0].weight")]
    [InlineData("""{"loras": [{"name": "ink", "scale": 1}]}""", "loras[0].scale")]
    [InlineData("""{"response_format": "url"}""", "response_format")]
    [InlineData("""{"response_format": "png"}""", "response_format")]
    [InlineData("""{"output_format": "gif"}""", "output_format")]
    [InlineData("""{"output_format": "jpeg", "output_compression": 101}""", "output_compression")]
    [InlineData("""{"output_compression": 50}""", "output_compression")]
    [InlineData("""{"partial_images": 4}""", "partial_images")]
    [InlineData("""{"stream": "yes"}""", "stream")]
    [InlineData("""{"num_inference_steps": 4}""", "num_inference_steps")]
    [InlineData("[]", "body")]
    [InlineData("\"prompt\"", "body")]
    public void Read_BadField_IsNamed(string body, string field)
    {
        var e = Should.Throw<MeshException>(() => Read(body));

        e.Code.ShouldBe(global::Grpc.Core.StatusCode.InvalidArgument);
        e.Details.OfType<BadRequest>().ShouldHaveSingleItem().FieldViolations.ShouldHaveSingleItem().Field.ShouldBe(field);
    }

    [Fact]
    public void Read_SeveralBadFields_AreAllNamed()
    {
        var e = Should.Throw<MeshException>(() => Read("""{"prompt": 1, "n": 0, "wat": true}"""));

        e.Details.OfType<BadRequest>().Single().FieldViolations.Select(x => x.Field).ShouldBe(["prompt", "n", "wat"]);
    }

    private static GenerationCall Read(string body)
    {
        using var document = JsonDocument.Parse(body);
        return GenerationReader.Read(document.RootElement);
    }
}
