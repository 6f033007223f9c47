using System.Text.Json;
using Mesh.Cli.Bench;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Cli.Tests.Bench;

public sealed class OperationCountTests
{
    [Fact]
    public void Convolution_CountsTwiceItsKernelAnOutput()
    {
        using var layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding: 1), nn.Conv2d(8, 4, 3, stride: 2, padding: 1, groups: 2));
        using var count = new OperationCount(layers);

        layers.call(zeros(2, 3, 10, 10)).Dispose();

        count.Total.ShouldBe((2 * (2 * 8 * 10 * 10) * 27) + (2 * (2 * 4 * 5 * 5) * 36));
    }

    [Fact]
    public void TextEncoder_CountsProductsAndAttention()
    {
        const int width = 8, inner = 16, tokens = 5, layers = 3;
        using var json = JsonDocument.Parse(
            $$"""
            {"vocab_size": 20, "hidden_size": {{width}}, "intermediate_size": {{inner}}, "num_hidden_layers": {{layers}}, "num_attention_heads": 2,
             "max_position_embeddings": {{tokens}}, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "eos_token_id": 19}
            """);
        using var network = new ClipTextEncoder(ClipTextConfig.FromJson(json.RootElement, projection: false));
        using var count = new OperationCount(network);

        network.Encode(zeros([1, tokens], ScalarType.Int64)).Dispose();

        const int linear = 2 * tokens * ((4 * width * width) + (2 * width * inner));
        const int attention = 4 * tokens * tokens * width;
        count.Total.ShouldBe(layers * (linear + attention));
    }

    [Fact]
    public void Count_Disposed_CountsNoMore()
    {
        using var layer = nn.Conv2d(1, 1, 1);
        var count = new OperationCount(layer);
        count.Dispose();

        layer.call(zeros(1, 1, 2, 2)).Dispose();

        count.Total.ShouldBe(0);
    }
}
