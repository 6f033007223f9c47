using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

/// <summary>What an image becomes does not depend on those beside it.</summary>
public sealed class BatchTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(8)]
    public void UNetAndDecoder_AnyBatch_GiveTheSameBytes(int batch)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.UNet();
        using var vae = TinyNetworks.Vae();
        manual_seed(3);
        var noise = randn([batch, 4, 8, 8]);
        var context = randn([batch, 7, 8]);
        var times = tensor(new[] { 999f });

        Tensor Draw(Tensor z, Tensor text) => ((vae.Decode(z + net.call(z, times, text, null)) * 40) + 128).clamp(0, 255).round().to(ScalarType.Byte);
        var together = Draw(noise, context);

        for (var i = 0; i < batch; i++)
        {
            var alone = Draw(noise.narrow(0, i, 1).contiguous(), context.narrow(0, i, 1).contiguous());
            alone.ne(together.narrow(0, i, 1)).sum().item<long>().ShouldBe(0, $"image {i} of {batch}");
        }

        together.min().item<byte>().ShouldBeLessThan(together.max().item<byte>(), "a flat picture would prove nothing");
    }

    [Fact]
    public void Timesteps_OnePerImage_EqualOneAtATime()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.UNet();
        var (noise, context) = (randn([2, 4, 6, 10]), randn([2, 3, 8]));

        var both = net.call(noise, tensor(new[] { 10f, 900.5f }), context, null);

        for (var i = 0; i < 2; i++)
        {
            var one = net.call(noise.narrow(0, i, 1), tensor(i == 0 ? 10f : 900.5f), context.narrow(0, i, 1), null);
            (one - both.narrow(0, i, 1)).abs().max().item<float>().ShouldBeLessThan(1e-5f);
        }
    }

    [Fact]
    public void AuraSR_TilesOfABatch_AreExactlyThoseOfOneAtATime()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var (tiles, z) = (rand([3, 3, 16, 16]), randn([3, 8]));

        var together = net.call(tiles, z, null);

        for (var i = 0; i < 3; i++)
        {
            var alone = net.call(tiles.narrow(0, i, 1), z.narrow(0, i, 1), null);
            (alone - together.narrow(0, i, 1)).abs().max().item<float>().ShouldBeLessThan(1e-5f * alone.abs().max().item<float>());
        }
    }

    [Fact]
    public void AuraSR_OneStyleForAll_EqualsThatStyleForEach()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var (tiles, z) = (rand([2, 3, 16, 16]), randn([1, 8]));

        var shared = net.call(tiles, z, null);
        var each = net.call(tiles, z.repeat(2, 1), null);

        (shared - each).abs().max().item<float>().ShouldBeLessThan(1e-5f * each.abs().max().item<float>());
    }
}
