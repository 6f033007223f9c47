using Mesh.Models.Weights;
using Mesh.Training.Jobs;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Jobs;

public sealed class LatentCacheTests : IDisposable
{
    private readonly Workshop _shop = new();

    public LatentCacheTests() => _shop.WithAutoencoder();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public void Flow_RunAgain_TakesTheLatentsFromTheCache()
    {
        _shop.Run("flow", Workshop.Flow(), "first");
        var written = File.GetLastWriteTimeUtc(Kept());

        _shop.Run("flow", Workshop.Flow(), "second");

        Hash("second").ShouldBe(Hash("first"));
        File.GetLastWriteTimeUtc(Kept()).ShouldBe(written);
        // And it is these that are trained on: others lead elsewhere.
        using (var none = zeros(8, 4, 8, 8))
            File.WriteAllText(Kept() + ".sha256", SafetensorsWriter.Write(Kept(), new Dictionary<string, Tensor> { ["latents"] = none }));
        _shop.Run("flow", Workshop.Flow(), "third");
        Hash("third").ShouldNotBe(Hash("first"));
    }

    [Fact]
    public void Flow_SpoiltCache_EncodesAnew()
    {
        _shop.Run("flow", Workshop.Flow(), "first");
        var good = File.ReadAllBytes(Kept());
        var bytes = (byte[])good.Clone();
        bytes[^3] ^= 0x40;
        File.WriteAllBytes(Kept(), bytes);

        _shop.Run("flow", Workshop.Flow(), "second");

        Hash("second").ShouldBe(Hash("first"));
        File.ReadAllBytes(Kept()).ShouldBe(good);
    }

    [Fact]
    public void Flow_OtherAutoencoder_HasLatentsOfItsOwn()
    {
        _shop.Run("flow", Workshop.Flow(), "first");
        _shop.Run("autoencoder", Workshop.Autoencoder.Replace("rate: 0.003", "rate: 0.004", StringComparison.Ordinal), "other");

        _shop.Run("flow", Workshop.Flow().Replace("runs/autoencoder", "runs/other", StringComparison.Ordinal), "second");

        Directory.GetFiles(_shop.Path("cache/latents"), "*.safetensors").Length.ShouldBe(2);
    }

    [Fact]
    public void Flow_WithoutCacheOrRehearsed_KeepsNothing()
    {
        JobPlans.Parse("flow", Workshop.Flow(), _shop.Root).Rehearse();
        _shop.Run("flow", Workshop.Flow("keep_latents: false,"));

        Directory.Exists(_shop.Path("cache")).ShouldBeFalse();
    }

    private string Kept() => Directory.GetFiles(_shop.Path("cache/latents"), "*.safetensors").Single();

    private string Hash(string run) => FileHash.Sha256(_shop.Path($"runs/{run}/checkpoints/step-0000000006/state.safetensors"));
}
