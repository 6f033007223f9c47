using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

public sealed class BlankNetworkTests
{
    [Fact]
    public void Make_OfEachNetwork_GivesEveryWeightMemory()
    {
        Func<Device, nn.Module>[] networks =
        [
            d => new UNet(UNetConfig.FromJson(TinyNetworks.Json(TinyNetworks.UNetJson)), d),
            d => new AutoencoderKL(AutoencoderKLConfig.FromJson(TinyNetworks.Json(TinyNetworks.VaeJson)), d),
            d => new AutoencoderTiny(AutoencoderTinyConfig.FromJson(TinyNetworks.Json("{}")), d),
            d => new ClipTextEncoder(ClipTextConfig.FromJson(TinyNetworks.Json(TinyNetworks.TextJson), true), d),
            d => new AuraSR(AuraSRConfig.FromJson(TinyNetworks.Json(TinyNetworks.AuraSRJson)), d),
            d => new ControlNet(ControlNetConfig.FromJson(TinyNetworks.Json("""{"block_out_channels": [32], "down_block_types": ["DownBlock2D"]}""")), d),
        ];
        foreach (var make in networks)
        {
            using var blank = BlankNetwork.Make(make, ScalarType.BFloat16);
            using var random = make(CPU);

            var state = blank.state_dict();
            state.ShouldAllBe(s => !s.Value.is_meta && s.Value.dtype == ScalarType.BFloat16);
            state.ToDictionary(s => s.Key, s => string.Join(",", s.Value.shape)).ShouldBe(random.state_dict().ToDictionary(s => s.Key, s => string.Join(",", s.Value.shape)), ignoreOrder: true);
            blank.parameters().Count().ShouldBe(random.parameters().Count());
        }
    }

    [Fact]
    public void Make_FilledFromAnother_ComputesTheSame()
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        using var random = TinyNetworks.AuraSR();
        using var blank = BlankNetwork.Make(d => new AuraSR(random.Config, d));
        var state = blank.state_dict();
        foreach (var (name, value) in random.state_dict())
            state[name].copy_(value);
        blank.eval();
        var (tiles, z) = (rand([1, 3, 16, 16]), randn([1, 8]));

        blank.call(tiles, z, null).Equals(random.call(tiles, z, null)).ShouldBeTrue();
    }
}
