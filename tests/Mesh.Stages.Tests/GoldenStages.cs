using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Decoder.V1;
using Mesh.Contracts.Generator.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Hosting.Stages;
using Mesh.Testing;

namespace Mesh.Stages.Tests;

/// <summary>Asks stages one thing at a time and compares what they say with golden data.</summary>
internal static class GoldenStages
{
    /// <summary>What networks may differ by from the reference, of its largest element.</summary>
    public const double NetworkTolerance = 1e-4;

    public static async Task<Embedding> EncodeAsync(StageProcess stage, EncodeRequest request)
    {
        using var call = new WorkCall<EncodeRequest, EncodeResponse>(new TextEncoderService.TextEncoderServiceClient(stage.Channel).Encode());
        var answer = await call.AskAsync(request);
        answer.Failure.ShouldBeNull();
        return answer.Embedding;
    }

    public static async Task<Latent> GenerateAsync(StageProcess stage, GenerateRequest request)
    {
        using var call = new WorkCall<GenerateRequest, GenerateResponse>(new GeneratorService.GeneratorServiceClient(stage.Channel).Generate());
        var answer = await call.AskAsync(request);
        answer.Failure.ShouldBeNull();
        return answer.Latent;
    }

    public static async Task<Tensor> DecodeAsync(StageProcess stage, DecodeRequest request)
    {
        using var call = new WorkCall<DecodeRequest, DecodeResponse>(new DecoderService.DecoderServiceClient(stage.Channel).Decode());
        var answer = await call.AskAsync(request);
        answer.Failure.ShouldBeNull();
        return answer.Pixels;
    }

    /// <summary>One row of a golden tensor, as a message carries it.</summary>
    public static Tensor Row(GoldenTensors golden, string name, int row)
    {
        var shape = golden.ShapeOf(name)[1..];
        return WireTensors.OfFloats(RowOf(golden, name, row), shape);
    }

    public static float[] RowOf(GoldenTensors golden, string name, int row)
    {
        var values = golden.Floats(name);
        var size = values.Length / (int)golden.ShapeOf(name)[0];
        return values[(row * size)..((row + 1) * size)];
    }

    public static float[] Values(Tensor tensor) => WireTensors.Floats(tensor, "tensor", tensor.Shape.ToArray());

    /// <summary>Whether numbers are those of the reference, within the tolerance of networks.</summary>
    public static void ShouldBeClose(this float[] actual, float[] expected, string what)
    {
        actual.Length.ShouldBe(expected.Length, what);
        var largest = expected.Max(Math.Abs);
        var worst = actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max();
        ((double)worst).ShouldBeLessThanOrEqualTo(NetworkTolerance * largest, what);
    }

    /// <summary>Whether bytes are those of the reference: one in a thousand may lie on the other side of a rounding boundary.</summary>
    public static void ShouldBeCloseBytes(this byte[] actual, byte[] expected, string what)
    {
        actual.Length.ShouldBe(expected.Length, what);
        actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThanOrEqualTo(1, what);
        actual.Zip(expected).Count(x => x.First != x.Second).ShouldBeLessThanOrEqualTo((int)Math.Ceiling(expected.Length / 1000.0), what);
    }
}
