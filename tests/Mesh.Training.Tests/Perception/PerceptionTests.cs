using Mesh.Models.Noise;
using Mesh.Training.Perception;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Perception;

public sealed class PerceptionTests
{
    [Theory]
    [InlineData(LpipsNetwork.Alex)]
    [InlineData(LpipsNetwork.Vgg)]
    public void Compare_Pictures_IsADistance(LpipsNetwork network)
    {
        using var scope = NewDisposeScope();
        using var metric = WithPositiveHeads(new Lpips(network));
        var (a, b) = (rand(1, 3, 48, 48), rand(1, 3, 48, 48));

        metric.Compare(a, a).Distance.item<float>().ShouldBe(0);
        var there = metric.Compare(a, b).Distance.item<float>();
        there.ShouldBeGreaterThan(0);
        metric.Compare(b, a).Distance.item<float>().ShouldBe(there, 1e-6f);
    }

    [Fact]
    public void Compare_Latents_IsADistanceThatTheAbsoluteDifferenceAddsTo()
    {
        using var scope = NewDisposeScope();
        using var metric = WithPositiveHeads(new LatentLpips(4));
        var (a, b) = (randn(2, 4, 16, 16), randn(2, 4, 16, 16));
        using var mode = no_grad();

        metric.Compare(a, a, new LatentComparison()).Distance.abs().max().item<float>().ShouldBe(0);
        var plain = metric.Compare(a, b, new LatentComparison(AddAbsolute: false)).Distance;
        plain.min().item<float>().ShouldBeGreaterThan(0);
        var added = metric.Compare(a, b, new LatentComparison()).Distance - plain;
        added.allclose((a - b).abs().mean([1, 2, 3], keepdim: true), 1e-4, 1e-5).ShouldBeTrue();
    }

    [Fact]
    public void Compare_WithFrozenNetworks_LetsLatentsLearn()
    {
        using var scope = NewDisposeScope();
        using var metric = WithPositiveHeads(new LatentLpips(4));
        var target = randn(1, 4, 16, 16);
        var guess = randn(1, 4, 16, 16).requires_grad_();
        var losses = new List<float>();
        for (var i = 0; i < 6; i++)
        {
            var loss = metric.Compare(guess, target, new LatentComparison()).Distance.sum();
            loss.backward();
            losses.Add(loss.item<float>());
            using (no_grad())
                guess.sub_(guess.grad! * 20);
            guess.grad = null;
        }

        losses[^1].ShouldBeLessThan(losses[0]);
        metric.parameters().Count(p => p.grad is not null).ShouldBe(0);
    }

    [Fact]
    public void Apply_WithNothingToMove_ReturnsWhatItWasGiven()
    {
        using var scope = NewDisposeScope();
        var x = randn(2, 4, 20, 12);

        var moved = new LatentAugmentation(Draws(Augmentations.XFlip, new() { ["xflip"] = [0f, 0.2f] }), 20, 12).Apply(x);

        (moved - x).abs().max().item<float>().ShouldBeLessThan(2e-5f);
    }

    [Fact]
    public void Apply_Mirroring_MirrorsButForTheFiltersLopsidedness()
    {
        using var scope = NewDisposeScope();
        var x = randn(2, 4, 16, 16);

        var moved = new LatentAugmentation(Draws(Augmentations.XFlip, new() { ["xflip"] = [0.9f, 0.2f] }), 16, 16).Apply(x);

        // Mirroring between the two halves of a filter that is not symmetric is not exact; the golden data show as much.
        (moved[0] - x[0].flip(2)).square().mean().item<float>().ShouldBeLessThan(0.1f * (moved[0] - x[0]).square().mean().item<float>());
        (moved[1] - x[1]).abs().max().item<float>().ShouldBeLessThan(2e-5f);
    }

    [Fact]
    public void Apply_ToAConstant_LeavesItsInsideConstant()
    {
        using var scope = NewDisposeScope();
        var draws = AugmentationDraws.Draw(AugmentationDraws.Parse("bg"), 3, new TorchGenerator(4));

        var moved = new LatentAugmentation(draws, 32, 32).Apply(full([3, 2, 32, 32], 1.5f));

        (moved.narrow(2, 13, 6).narrow(3, 13, 6) - 1.5f).abs().max().item<float>().ShouldBeLessThan(1e-2f);
    }

    [Fact]
    public void Apply_Cutout_CutsTheSameSquareOfEveryChannel()
    {
        using var scope = NewDisposeScope();
        var augmentation = new LatentAugmentation(Draws(Augmentations.Cutout, new() { ["cutout.centre"] = [0.5f, 0.5f, 0f, 0f] }), 8, 8);

        var moved = augmentation.Apply(ones(2, 3, 8, 8));

        moved[0].sum().item<float>().ShouldBe(3 * (64 - 16));
        moved[1].sum().item<float>().ShouldBe(3 * (64 - 4));
    }

    [Fact]
    public void HalveAfterDouble_GivesBackTheInside()
    {
        using var scope = NewDisposeScope();
        var x = randn(1, 2, 24, 24);

        var back = WaveletResampling.Halve(WaveletResampling.Twice(x), correlate: true);

        back.shape.ShouldBe([1L, 2, 24, 24]);
        (back - x).narrow(2, 6, 12).narrow(3, 6, 12).abs().max().item<float>().ShouldBeLessThan(5e-6f);
    }

    [Theory]
    [InlineData("bgz")]
    [InlineData("B")]
    public void Parse_OfAnUnknownSet_IsRefused(string name) => Should.Throw<ArgumentException>(() => AugmentationDraws.Parse(name));

    private static AugmentationDraws Draws(Augmentations of, Dictionary<string, float[]> values)
    {
        var all = AugmentationDraws.Names(of).ToDictionary(n => n, n => values.GetValueOrDefault(n, new float[2]), StringComparer.Ordinal);
        return new AugmentationDraws(of, 2, all);
    }

    private static Lpips WithPositiveHeads(Lpips metric)
    {
        using var mode = no_grad();
        foreach (var head in metric.HeadTensors().Values)
            head.abs_();
        return metric;
    }

    private static LatentLpips WithPositiveHeads(LatentLpips metric)
    {
        using var mode = no_grad();
        foreach (var (name, head) in metric.Tensors())
        {
            if (name.StartsWith("lin", StringComparison.Ordinal))
                head.abs_();
        }

        return metric;
    }
}
