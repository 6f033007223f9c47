using Mesh.Training.Evaluation;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Evaluation;

public sealed class EvaluationTests
{
    [Fact]
    public void Frechet_OfASetWithItself_IsZero()
    {
        using var set = randn(40, 12);

        Distributions.Frechet(set, set).ShouldBe(0, 1e-9);
    }

    [Fact]
    public void Frechet_OfAShiftedSet_IsTheShiftsSquare()
    {
        using var set = randn(200, 6);

        Distributions.Frechet(set, set + 0.5).ShouldBe(6 * 0.25, 1e-5);
    }

    [Fact]
    public void Frechet_OfNormalsWithKnownMoments_IsTheClosedForm()
    {
        using var one = eye(3, dtype: ScalarType.Float64);

        Distributions.Frechet(zeros(3), one * 4, ones(3), one * 9).ShouldBe(3 + (3 * 1.0), 1e-9);
    }

    [Fact]
    public void Frechet_OfFewerSamplesThanFeatures_StaysFinite()
    {
        using var few = randn(5, 30);
        using var fewer = randn(3, 30);

        Distributions.Frechet(few, fewer).ShouldBeGreaterThan(0);
        Should.Throw<ArgumentException>(() => Distributions.Frechet(few, randn(1, 30)));
    }

    [Fact]
    public void Overlap_OfDistantSets_IsNothing()
    {
        using var near = randn(20, 4);

        var overlap = Distributions.Overlap(near, near + 100);

        (overlap.Precision, overlap.Recall).ShouldBe((0.0, 0.0));
    }

    [Fact]
    public void CaptionAccuracy_OfMatchingEmbeddings_IsOne()
    {
        using var rows = eye(10);
        var captions = Enumerable.Range(0, 10).Select(i => $"caption {i}").ToArray();

        ClipFolder.CaptionAccuracy(rows, rows, captions).ShouldBe(1);
        ClipFolder.CaptionAccuracy(rows, rows.roll(1, 0), captions).ShouldBe(0);
    }

    [Fact]
    public void CaptionAccuracy_WithTheSameCaptionTwice_DoesNotCountItAgainstItself()
    {
        using var rows = eye(4);
        using var texts = rows.clone();
        texts[1].copy_(texts[0]);

        ClipFolder.CaptionAccuracy(texts, texts, ["a", "a", "b", "c"]).ShouldBe(1);
    }
}
