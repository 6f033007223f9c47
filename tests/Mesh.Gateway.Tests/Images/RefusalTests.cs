using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Faults;
using Mesh.Imaging;
using Mesh.Testing;
using ImageFormat = Mesh.Contracts.Image.V1.ImageFormat;

namespace Mesh.Gateway.Tests.Images;

/// <summary>One mesh for all of them: nothing of what is refused reaches a stage.</summary>
public sealed class RefusalTests(RefusalTests.SharedMesh shared) : IClassFixture<RefusalTests.SharedMesh>
{
    private readonly FakeMesh _mesh = shared.Mesh;

    public static TheoryData<string, Action<GenerateRequest>> Bad { get; } = new()
    {
        { "prompt", x => x.Prompt = "" },
        { "prompt", x => x.Prompt = " \n" },
        { "prompt", x => x.Prompt = new string('a', 8193) },
        { "prompt", x => x.Prompt = new string('a', 10 << 20) },
        { "prompt", x => x.Prompt = new string('ü', 4097) },
        { "prompt", x => x.Prompt = "a\0b" },
        { "negative_prompt", x => x.NegativePrompt = "a\0b" },
        { "negative_prompt", x => x.NegativePrompt = new string('a', 8193) },
        { "request_id", x => x.RequestId = "seven" },
        { "count", x => x.Count = -1 },
        { "count", x => x.Count = 65 },
        { "seeds", x => x.Seeds.Add(8) },
        { "width_px", x => x.WidthPx = -8 },
        { "width_px", x => x.WidthPx = 7 },
        { "width_px", x => x.WidthPx = 100000 },
        { "height_px", x => x.HeightPx = 7 },
        { "height_px", x => x.HeightPx = int.MinValue },
        { "model", x => x.Model = new string('m', 300) },
        { "steps", x => x.Steps = 0 },
        { "steps", x => x.Steps = 101 },
        { "guidance", x => x.Guidance = float.NaN },
        { "guidance", x => x.Guidance = -1 },
        { "guidance", x => x.Guidance = float.PositiveInfinity },
        { "loras[0].name", x => x.Loras.Add(new Lora { Weight = 1 }) },
        { "loras[0].weight", x => x.Loras.Add(new Lora { Name = "style", Weight = float.NaN }) },
        { "loras[0].weight", x => x.Loras.Add(new Lora { Name = "style", Weight = 4.5f }) },
        { "loras[1].name", x => x.Loras.AddRange([new Lora { Name = "style", Weight = 1 }, new Lora { Name = "style", Weight = 1 }]) },
        { "loras", x => x.Loras.AddRange(Enumerable.Range(0, 17).Select(i => new Lora { Name = $"l{i}", Weight = 1 })) },
        { "control.image", x => x.Control = new ControlImage() },
        { "control.image", x => x.Control = new ControlImage { Image = ByteString.CopyFromUtf8("no picture") } },
        { "control.image", x => x.Control = new ControlImage { Image = ByteString.CopyFrom(Picture(64)[..^20]) } },
        { "control.scale", x => x.Control = new ControlImage { Image = ByteString.CopyFrom(Picture(64)), Scale = 3 } },
        { "control.scale", x => x.Control = new ControlImage { Image = ByteString.CopyFrom(Picture(64)), Scale = float.NaN } },
        { "control.start", x => x.Control = new ControlImage { Image = ByteString.CopyFrom(Picture(64)), Start = -0.1f } },
        { "control.end", x => x.Control = new ControlImage { Image = ByteString.CopyFrom(Picture(64)), Start = 0.5f, End = 0.4f } },
        { "upscale.blending", x => x.Upscale = new UpscaleOptions { Blending = (TileBlending)9 } },
        { "width_px", x => (x.WidthPx, x.Upscale) = (1032, new UpscaleOptions()) },
        { "format", x => x.Format = (ImageFormat)77 },
        { "quality", x => x.Quality = 0 },
        { "quality", x => x.Quality = 101 },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task Generate_BadField_IsNamed(string field, Action<GenerateRequest> spoil)
    {
        var request = FakeCalls.Request();
        spoil(request);

        var fault = await _mesh.Images.FailAsync(request);

        fault.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        fault.ToStatus().Detail<BadRequest>()!.FieldViolations.Select(x => x.Field).ShouldBe([field]);
        fault.ToStatus().Detail<ErrorInfo>()!.Domain.ShouldBe("mesh");
        _mesh.Generator.Received.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_SeveralBadFields_AreAllNamed()
    {
        var fault = await _mesh.Images.FailAsync(new GenerateRequest { Count = -1, WidthPx = -1, Guidance = float.NaN });

        fault.ToStatus().Detail<BadRequest>()!.FieldViolations.Select(x => x.Field).ShouldBe(["prompt", "count", "width_px", "guidance"]);
    }

    [Fact]
    public async Task Generate_InvalidUtf8_NamesThePrompt()
    {
        // Field 1 would be the request id; field 2, of two bytes that are no UTF-8.
        var raw = new Method<byte[], GenerateResponse>(
            MethodType.ServerStreaming, "mesh.image.v1.ImageService", "Generate", Marshallers.Create(x => x, x => x), Marshallers.Create(x => x.ToByteArray(), GenerateResponse.Parser.ParseFrom));
        using var call = _mesh.Gateway.Channel.CreateCallInvoker().AsyncServerStreamingCall(raw, null, default, [0x12, 0x02, 0xC3, 0x28]);

        var fault = await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(default).DefaultTimeout());

        fault.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        fault.ToStatus().Detail<BadRequest>()!.FieldViolations.ShouldHaveSingleItem().Field.ShouldBe("prompt");
    }

    public static TheoryData<string, string, Action<GenerateRequest>> Unknown { get; } = new()
    {
        { "model", "nothing", x => x.Model = "nothing" },
        { "lora", "nothing", x => x.Loras.Add(new Lora { Name = "nothing", Weight = 1 }) },
        { "control", "nothing", x => x.Control = new ControlImage { Model = "nothing", Image = ByteString.CopyFrom(Picture(64)) } },
    };

    [Theory]
    [MemberData(nameof(Unknown))]
    public async Task Generate_UnknownName_IsNotFound(string kind, string name, Action<GenerateRequest> change)
    {
        var request = FakeCalls.Request();
        change(request);

        var fault = await _mesh.Images.FailAsync(request);

        fault.StatusCode.ShouldBe(StatusCode.NotFound);
        var resource = fault.ToStatus().Detail<ResourceInfo>()!;
        (resource.ResourceType, resource.ResourceName).ShouldBe((kind, name));
    }

    [Fact]
    public async Task Generate_ControlForAModelWithoutAny_SaysWhatToInstall()
    {
        var request = FakeCalls.Request();
        (request.Model, request.Control) = ("second", new ControlImage { Image = ByteString.CopyFrom(Picture(64)) });

        var fault = await _mesh.Images.FailAsync(request);

        fault.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        fault.Status.Detail.ShouldContain("Mesh:Controls");
    }

    public static TheoryData<string, Action<UpscaleRequest>> BadUpscale { get; } = new()
    {
        { "image", x => x.Image = ByteString.Empty },
        { "image", x => x.Image = ByteString.CopyFromUtf8("no picture") },
        { "image", x => x.Image = ByteString.CopyFrom(Picture(1025)) },
        { "image", x => x.Image = ByteString.CopyFrom(Picture(7)) },
        { "request_id", x => x.RequestId = "7" },
        { "model", x => x.Model = "a\u0007" },
        { "options.blending", x => x.Options = new UpscaleOptions { Blending = (TileBlending)9 } },
        { "format", x => x.Format = (ImageFormat)77 },
        { "quality", x => x.Quality = 1000 },
    };

    [Theory]
    [MemberData(nameof(BadUpscale))]
    public async Task Upscale_BadField_IsNamed(string field, Action<UpscaleRequest> spoil)
    {
        var request = new UpscaleRequest { Image = ByteString.CopyFrom(Picture(64)) };
        spoil(request);
        using var call = _mesh.Images.Upscale(request);

        var fault = await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(default).DefaultTimeout());

        fault.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        fault.ToStatus().Detail<BadRequest>()!.FieldViolations.Select(x => x.Field).ShouldBe([field]);
    }

    [Fact]
    public void Prompt_LoneSurrogate_IsNoUnicode()
    {
        var wrong = new Gateway.Images.Violations();

        wrong.Prompt("prompt", "a\ud800", required: true);

        Should.Throw<MeshException>(wrong.ThrowIfAny).Message.ShouldBe("prompt: is no valid Unicode");
    }

    private static byte[] Picture(int side) => ImageCodec.Encode(Image.Filled(side, side, 10, 20, 30), Imaging.ImageFormat.Png);

    public sealed class SharedMesh : IAsyncLifetime
    {
        internal FakeMesh Mesh { get; private set; } = null!;

        public async Task InitializeAsync() => Mesh = await FakeMesh.StartAsync();

        public async Task DisposeAsync() => await Mesh.DisposeAsync();
    }
}
