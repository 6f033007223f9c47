using System.Text.Json;
using Mesh.Cli.Verify;
using Mesh.Models.Networks;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;
using static TorchSharp.torch;

namespace Mesh.Models.GoldenTests;

/// <summary>An image's bytes depend on its own text and seed, never on what shares its batch: on the golden models of each family.</summary>
public sealed class BatchTests
{
    private const int Largest = 8;
    private const int Side = 64;

    [Theory]
    [InlineData("instaflow_1step", "instaflow", 0)]
    [InlineData("rf_4steps", "2-rf", 1.5)]
    [InlineData("sd_turbo_1step", "sd-turbo", 0)]
    [InlineData("sdxl_turbo_1step", "sdxl-turbo", 0)]
    [InlineData("sdxl_euler_8", "lcm", 1.5)]
    public void Generate_BatchOfOneToEight_GivesTheSameBytes(string name, string recipe, double guidance)
    {
        using var golden = GoldenCase.Open(GoldenFolder.Committed, "pipelines", name);
        using var models = golden.Refer(golden.Field("models").GetString()!);
        var networks = models.Field("models");
        using var text = networks.TryGetProperty("text_encoder_2", out var second)
            ? new TextStage(Tower(golden, networks.GetProperty("text_encoder")), Tower(golden, second))
            : new TextStage(Tower(golden, networks.GetProperty("text_encoder")));
        using var decode = new DecodeStage((AutoencoderKL)GoldenNetworks.FromDescription(golden, networks.GetProperty("vae")));
        using var denoise = new DenoiseStage((UNet)GoldenNetworks.FromDescription(golden, networks.GetProperty("unet")), RecipeBook.Find(recipe), decode.Factor);

        byte[][] Pictures(int first, int count)
        {
            using var scope = NewDisposeScope();
            var ids = text.Encoders.Select(_ => tensor(Enumerable.Range(first, count).SelectMany(Row).ToArray(), [count, 77])).ToArray();
            var latents = denoise.Run(new DenoiseInput
            {
                Text = text.EncodeIds(ids),
                Negative = text.EncodeIds([.. ids.Select(i => i.narrow(0, 0, 1).mul(0).add(49407))]),
                Seeds = [.. Enumerable.Range(first, count).Select(i => 1000L + i)],
                Height = Side,
                Width = Side,
                Steps = recipe is "lcm" or "2-rf" ? 3 : 1,
                Guidance = guidance,
            });
            var bytes = DecodeStage.ToPixels(decode.Decode(latents)).data<byte>().ToArray();
            return [.. bytes.Chunk(Side * Side * 3)];
        }

        var alone = Enumerable.Range(0, Largest).Select(i => Pictures(i, 1)[0]).ToArray();
        alone[0].ShouldNotBe(alone[1]);
        for (var size = 2; size <= Largest; size++)
        {
            var together = Pictures(Largest - size, size);
            for (var i = 0; i < size; i++)
                together[i].AsSpan().SequenceEqual(alone[Largest - size + i]).ShouldBeTrue($"{name}: image {i} of {size}");
        }
    }

    private static TextTower Tower(GoldenCase golden, JsonElement description) => new(null, (ClipTextEncoder)GoldenNetworks.FromDescription(golden, description));

    /// <summary>Some ids, other ones for each image.</summary>
    private static long[] Row(int image) => [49406, .. Enumerable.Range(0, 5 + image).Select(k => 320L + (image * 97) + (k * 31)), .. Enumerable.Repeat(49407L, 71 - image)];
}
