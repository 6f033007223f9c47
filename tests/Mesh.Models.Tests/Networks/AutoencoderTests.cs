using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

public sealed class AutoencoderTests
{
    [Theory]
    [InlineData(8, 8)]
    [InlineData(9, 20)]
    [InlineData(23, 5)]
    public void DecodeTiled_AnySize_GivesThePicturesSize(long height, long width)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var vae = TinyNetworks.Vae();

        var picture = vae.DecodeTiled(randn([1, 4, height, width]));

        picture.shape.ShouldBe([1, 3, 2 * height, 2 * width]);
        picture.isfinite().all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void DecodeTiled_LatentOfOneTile_IsDecodedWhole()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var vae = TinyNetworks.Vae();
        var latent = randn([1, 4, 8, 7]);

        vae.DecodeTiled(latent).Equals(vae.Decode(latent)).ShouldBeTrue();
    }

    [Fact]
    public void DecodeTiled_LatentLikeATile_DiffersOnlyInTheBlend()
    {
        // The first tile's corner, which no neighbour reaches, is what that tile gives alone.
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var vae = TinyNetworks.Vae();
        var latent = randn([1, 4, 12, 12]);

        var tiled = vae.DecodeTiled(latent);
        var corner = vae.Decode(latent.narrow(2, 0, 8).narrow(3, 0, 8).contiguous());

        (tiled.narrow(2, 0, 12).narrow(3, 0, 12) - corner.narrow(2, 0, 12).narrow(3, 0, 12)).abs().max().item<float>().ShouldBeLessThan(1e-5f);
    }

    [Fact]
    public void Scale_WithShift_IsUndone()
    {
        using var scope = NewDisposeScope();
        var json = TinyNetworks.VaeJson.TrimEnd()[..^1] + """, "scaling_factor": 0.36, "shift_factor": 0.12}""";
        using var vae = new AutoencoderKL(AutoencoderKLConfig.FromJson(TinyNetworks.Json(json)), META);
        var latent = tensor(new[] { 1f, -2f, 0.5f });

        TinyNetworks.Values(vae.Scale(latent)).Zip([0.3168f, -0.7632f, 0.1368f]).ShouldAllBe(p => Math.Abs(p.First - p.Second) < 1e-6);
        TinyNetworks.Values(vae.Unscale(vae.Scale(latent))).Zip([1f, -2f, 0.5f]).ShouldAllBe(p => Math.Abs(p.First - p.Second) < 1e-6);
    }

    [Fact]
    public void Encode_ThenDecode_KeepsSizes()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var vae = TinyNetworks.Vae();

        using var posterior = vae.Encode(randn([2, 3, 12, 20]));

        posterior.Mean.shape.ShouldBe([2, 4, 6, 10]);
        vae.Decode(posterior.Mean).shape.ShouldBe([2, 3, 12, 20]);
    }
}
