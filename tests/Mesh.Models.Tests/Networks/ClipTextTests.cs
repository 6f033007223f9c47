using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

public sealed class ClipTextTests
{
    [Theory]
    [InlineData(2, new long[] { 1, 5, 19, 3, 19, 0 }, 2)]
    [InlineData(2, new long[] { 7, 7, 7, 7, 7, 7 }, 0)]
    [InlineData(18, new long[] { 1, 19, 18, 3, 18, 0 }, 2)]
    [InlineData(18, new long[] { 1, 19, 5, 3, 4, 0 }, 0)]
    public void EndPositions_ByEitherRule_AreTheFirst(int eos, long[] ids, long position)
    {
        using var row = tensor(ids).reshape(1, 6);
        var json = TinyNetworks.TextJson.Replace("\"eos_token_id\": 2", $"\"eos_token_id\": {eos}", StringComparison.Ordinal);
        using var encoder = new ClipTextEncoder(ClipTextConfig.FromJson(TinyNetworks.Json(json), projection: true), META);

        encoder.EndPositions(row).ShouldBe([position]);
    }

    [Fact]
    public void Encode_LaterTokens_DoNotChangeEarlierStates()
    {
        using var mode = inference_mode();
        using var encoder = TinyNetworks.Text();
        using var ids = tensor(new long[] { 1, 2, 3, 4, 5, 19, 1, 2, 3, 9, 9, 9 }).reshape(2, 6);

        using var output = encoder.Encode(ids);

        var states = TinyNetworks.Values(output.LastHiddenState);
        states[..24].Zip(states[48..72]).ShouldAllBe(p => Math.Abs(p.First - p.Second) < 1e-6f);
        states[24..48].Zip(states[72..]).ShouldContain(p => Math.Abs(p.First - p.Second) > 1e-3f);
    }

    [Fact]
    public void Encode_WithAndWithoutProjection_GivesEmbeddingsOrNot()
    {
        using var mode = inference_mode();
        using var ids = tensor(new long[] { 1, 5, 19 }).reshape(1, 3);
        using var with = TinyNetworks.Text();
        using var without = TinyNetworks.Text(projection: false);

        using var projected = with.Encode(ids);
        using var plain = without.Encode(ids);

        projected.TextEmbeds!.shape.ShouldBe([1, 4]);
        plain.TextEmbeds.ShouldBeNull();
        plain.HiddenStates.Count.ShouldBe(3);
        plain.Pooled.shape.ShouldBe([1, 8]);
    }

    [Fact]
    public void Encode_TooLong_IsRefused()
    {
        using var encoder = TinyNetworks.Text();
        using var ids = zeros([1, 7], ScalarType.Int64);

        Should.Throw<ArgumentException>(() => encoder.Encode(ids));
    }
}
