using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Decoder.V1;
using Mesh.Contracts.Generator.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Contracts.Upsampler.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Status = Google.Rpc.Status;

namespace Mesh.Gateway.Tests.Fakes;

/// <summary>Bytes that depend on a message and on nothing else.</summary>
internal static class Digest
{
    public static byte[] Of(IMessage message, int length)
    {
        var bytes = new byte[length];
        var block = SHA256.HashData(message.ToByteArray());
        for (var i = 0; i < length; i += block.Length)
        {
            block.AsSpan(0, Math.Min(block.Length, length - i)).CopyTo(bytes.AsSpan(i));
            BinaryPrimitives.WriteInt32LittleEndian(block, i);
            block = SHA256.HashData(block);
        }
        return bytes;
    }

    public static Tensor Tensor(DataType type, byte[] data, params long[] shape) => new() { DataType = type, Data = ByteString.CopyFrom(data), Shape = { shape } };
}

/// <summary>Embeddings of [2, 4] float32. LoRA "style" changes it, "shape" does not.</summary>
internal sealed class FakeText() : FakeStage<EncodeRequest, EncodeResponse>("text", Of("tiny", "t1"), Of("second", "t2"))
{
    protected override void Register(IServiceCollection services) => services.AddSingleton(new Service(this));

    protected override void Map(WebApplication app) => app.MapGrpcService<Service>();

    protected override (long Id, bool Cancel) Read(EncodeRequest request) => (request.Id, request.Cancel);

    protected override EncodeResponse Refuse(long id, Status failure) => new() { Id = id, Failure = failure };

    protected override IEnumerable<EncodeResponse> Answer(EncodeRequest request)
    {
        var pure = new EncodeRequest(request) { Id = 0, TimeoutUs = 0, Traceparent = "" };
        var context = Digest.Tensor(DataType.Float32, Digest.Of(pure, 32), 2, 4);
        yield return new() { Id = request.Id, Embedding = new() { Context = context, ModelVersion = "t1" }, Timings = new() { ComputeUs = 5, TotalUs = 10, BatchSize = 1 } };
    }

    private static StageModel Of(string id, string version)
    {
        var model = Model(id, version);
        model.Text = new() { EncoderHash = "encoder " + version, TokenizerHash = "tokenizer", Positions = 2, Loras = { new LoraFile { Name = "style", Hash = "a1b2c3d4e5f6" } } };
        return model;
    }

    private sealed class Service(FakeText stage) : TextEncoderService.TextEncoderServiceBase
    {
        public override Task Encode(IAsyncStreamReader<EncodeRequest> requestStream, IServerStreamWriter<EncodeResponse> responseStream, ServerCallContext context) =>
            stage.ServeAsync(requestStream, responseStream, context);
    }
}

/// <summary>Latents of [4, height / 8, width / 8] float32.</summary>
internal sealed class FakeGenerator() : FakeStage<GenerateRequest, GenerateResponse>("generator", Of("tiny", "g1"), Of("second", "g2"))
{
    /// <summary>Seeds whose pieces of work fail.</summary>
    public HashSet<ulong> BadSeeds { get; } = [];

    protected override void Register(IServiceCollection services) => services.AddSingleton(new Service(this));

    protected override void Map(WebApplication app) => app.MapGrpcService<Service>();

    protected override (long Id, bool Cancel) Read(GenerateRequest request) => (request.Id, request.Cancel);

    protected override GenerateResponse Refuse(long id, Status failure) => new() { Id = id, Failure = failure };

    protected override IEnumerable<GenerateResponse> Answer(GenerateRequest request)
    {
        if (BadSeeds.Contains(request.Seed))
        {
            yield return Refuse(request.Id, new Status { Code = (int)StatusCode.Internal, Message = "this seed is bad" });
            yield break;
        }
        var pure = new GenerateRequest(request) { Id = 0, TimeoutUs = 0, Traceparent = "" };
        var (height, width) = (request.HeightPx / 8, request.WidthPx / 8);
        var values = Digest.Tensor(DataType.Float32, Digest.Of(pure, 4 * 4 * height * width), 4, height, width);
        yield return new() { Id = request.Id, Latent = new() { Values = values, ModelVersion = "g1" }, Timings = new() { ComputeUs = 7, TotalUs = 9, BatchSize = 1 } };
    }

    private static StageModel Of(string id, string version)
    {
        var model = Model(id, version);
        model.Generator = new()
        {
            Recipe = "instaflow",
            DefaultSteps = 1,
            DefaultGuidance = 1,
            WidthPx = 64,
            HeightPx = 64,
            SizeMultiplePx = 8,
            Loras = { new LoraFile { Name = "style", Hash = "a1b2c3d4e5f6" }, new LoraFile { Name = "shape", Hash = "0f1e2d3c4b5a69788796" } },
        };
        if (id == "tiny") model.Generator.Controls.Add("edges");
        return model;
    }

    private sealed class Service(FakeGenerator stage) : GeneratorService.GeneratorServiceBase
    {
        public override Task Generate(IAsyncStreamReader<GenerateRequest> requestStream, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context) =>
            stage.ServeAsync(requestStream, responseStream, context);
    }
}

/// <summary>Pixels of eight times the latent's size; "tiny" has previews, "second" has none.</summary>
internal sealed class FakeDecoder() : FakeStage<DecodeRequest, DecodeResponse>("decoder", Of("tiny", "d1", true), Of("second", "d2", false))
{
    protected override void Register(IServiceCollection services) => services.AddSingleton(new Service(this));

    protected override void Map(WebApplication app) => app.MapGrpcService<Service>();

    protected override (long Id, bool Cancel) Read(DecodeRequest request) => (request.Id, request.Cancel);

    protected override DecodeResponse Refuse(long id, Status failure) => new() { Id = id, Failure = failure };

    protected override IEnumerable<DecodeResponse> Answer(DecodeRequest request)
    {
        var pure = new DecodeRequest(request) { Id = 0, TimeoutUs = 0, Traceparent = "" };
        var (height, width) = (request.Latent.Shape[1] * 8, request.Latent.Shape[2] * 8);
        var pixels = Digest.Tensor(DataType.Uint8, Digest.Of(pure, (int)(height * width * 3)), height, width, 3);
        yield return new() { Id = request.Id, Pixels = pixels, Timings = new() { ComputeUs = 3, TotalUs = 4, BatchSize = 1 } };
    }

    private static StageModel Of(string id, string version, bool preview)
    {
        var model = Model(id, version);
        model.Decoder = new() { Scale = 8, Preview = preview };
        return model;
    }

    private sealed class Service(FakeDecoder stage) : DecoderService.DecoderServiceBase
    {
        public override Task Decode(IAsyncStreamReader<DecodeRequest> requestStream, IServerStreamWriter<DecodeResponse> responseStream, ServerCallContext context) =>
            stage.ServeAsync(requestStream, responseStream, context);
    }
}

/// <summary>Each pixel becomes four by four; a tile is what one row of 16 pixels' height becomes.</summary>
internal sealed class FakeUpsampler() : FakeStage<UpscaleRequest, UpscaleResponse>("upsampler", Of())
{
    private const int Rows = 16;

    protected override void Register(IServiceCollection services) => services.AddSingleton(new Service(this));

    protected override void Map(WebApplication app) => app.MapGrpcService<Service>();

    protected override (long Id, bool Cancel) Read(UpscaleRequest request) => (request.Id, request.Cancel);

    protected override UpscaleResponse Refuse(long id, Status failure) => new() { Id = id, Failure = failure };

    protected override IEnumerable<UpscaleResponse> Answer(UpscaleRequest request)
    {
        var (height, width) = ((int)request.Pixels.Shape[0], (int)request.Pixels.Shape[1]);
        for (var top = 0; top < height; top += Rows)
        {
            var rows = Math.Min(Rows, height - top);
            yield return new() { Id = request.Id, Tile = new() { YPx = 4 * top, Pixels = Enlarged(request, width, top, rows) } };
        }
        yield return new()
        {
            Id = request.Id,
            Done = new() { WidthPx = 4 * width, HeightPx = 4 * height, ModelVersion = "u1" },
            Timings = new() { ComputeUs = 30, TotalUs = 40, BatchSize = 1 },
        };
    }

    private static Tensor Enlarged(UpscaleRequest request, int width, int top, int rows)
    {
        var source = request.Pixels.Data.Span;
        var data = new byte[rows * 4 * width * 4 * 3];
        for (var y = 0; y < rows * 4; y++)
        {
            for (var x = 0; x < width * 4; x++) source.Slice(((top + y / 4) * width + x / 4) * 3, 3).CopyTo(data.AsSpan((y * width * 4 + x) * 3));
        }
        // The seed and the way tiles meet show in one pixel.
        data[0] = (byte)(request.Seed + (request.Overlapped ? 1u : 0));
        return Digest.Tensor(DataType.Uint8, data, rows * 4, width * 4, 3);
    }

    private static StageModel Of()
    {
        var model = Model("big", "u1");
        model.Upsampler = new() { Scale = 4, TilePx = Rows };
        return model;
    }

    private sealed class Service(FakeUpsampler stage) : UpsamplerService.UpsamplerServiceBase
    {
        public override Task Upscale(IAsyncStreamReader<UpscaleRequest> requestStream, IServerStreamWriter<UpscaleResponse> responseStream, ServerCallContext context) =>
            stage.ServeAsync(requestStream, responseStream, context);
    }
}
