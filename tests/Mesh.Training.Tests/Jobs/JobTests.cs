using Mesh.Models.Recipes;
using Mesh.Models.Text;
using Mesh.Models.Weights;
using Mesh.Training.Configuration;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Jobs;

public sealed class JobTests : IDisposable
{
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public void Tokenizer_OfCaptions_EncodesTheirWordsShortly()
    {
        _shop.Run("tokenizer", Workshop.Tokenizer);

        var tokenizer = ClipTokenizer.Load(_shop.Path("runs/tokenizer/result"));
        tokenizer.MaxLength.ShouldBe(12);
        tokenizer.Encode("a yellow square").Length.ShouldBe(5);
        tokenizer.Encode("a ÿ").Length.ShouldBe(5); // a letter that no caption has is spelt by its bytes
    }

    [Fact]
    public void Chain_FromPicturesToAOneStepModel_Runs()
    {
        _shop.WithAutoencoder();
        var flow = _shop.Run("flow", Workshop.Flow());
        var pairs = _shop.Run("pairs", "{teacher: runs/flow/result, data: data, count: 10, per_file: 4, batch: 3, steps: 3, guidance: 1.5}");
        var reflow = _shop.Run("flow", Workshop.Distil("{distance: l2}"), "reflow");
        var distil = _shop.Run("distil", Workshop.Distil("{distance: huber_mean, scale: 0.03}"));

        flow.OfType<SamplesWritten>().Last().Measures.Keys.ShouldBe(["one_step_seen", "one_step_unseen"]);
        File.Exists(flow.OfType<SamplesWritten>().Last().Path).ShouldBeTrue();
        pairs.OfType<TickPassed>().Count().ShouldBe(3);
        reflow.Last().ShouldBeOfType<RunFinished>();
        var folder = distil.OfType<RunFinished>().Single().Result;
        ModelFolder.Open(folder).Missing.ShouldBeEmpty();
        var recipe = RecipeRecognition.Decide(ModelDescription.Open(folder), ModelFolder.Open(folder)).Recipe;
        recipe.Name.ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData("autoencoder")]
    [InlineData("flow")]
    public void Job_StoppedAndResumed_EndsWithTheBitsOfAnUninterruptedOne(string kind)
    {
        if (kind == "flow")
            _shop.WithAutoencoder();
        var yaml = kind == "flow" ? Workshop.Flow("times: {law: logit_normal, noise_share: 0.5},") : Workshop.Autoencoder;
        _shop.Run(kind, yaml, "whole");
        using var cancel = new CancellationTokenSource();

        Should.Throw<OperationCanceledException>(() => _shop.Run(kind, yaml, "parts", cancel: cancel.Token, also: e =>
        {
            if (e is TickPassed { Step: 2 })
                cancel.Cancel();
        }));
        _shop.Run(kind, yaml, "parts", resume: true);

        Hash("parts").ShouldBe(Hash("whole"));
        File.ReadAllBytes(_shop.Path("runs/parts/samples/00000006.png")).ShouldBe(File.ReadAllBytes(_shop.Path("runs/whole/samples/00000006.png")));
    }

    [Fact]
    public void Pairs_Resumed_KeepsWhatIsThereAndMakesTheRest()
    {
        _shop.WithAutoencoder();
        _shop.Run("flow", Workshop.Flow());
        const string Yaml = "{teacher: runs/flow/result, data: data, count: 8, per_file: 4, batch: 4, steps: 2}";
        _shop.Run("pairs", Yaml);
        var first = File.ReadAllBytes(_shop.Path("runs/pairs/result/pairs-000001.safetensors"));
        File.Delete(_shop.Path("runs/pairs/result/pairs-000001.safetensors"));
        var written = File.GetLastWriteTimeUtc(_shop.Path("runs/pairs/result/pairs-000000.safetensors"));

        _shop.Run("pairs", Yaml, resume: true);

        File.ReadAllBytes(_shop.Path("runs/pairs/result/pairs-000001.safetensors")).ShouldBe(first);
        File.GetLastWriteTimeUtc(_shop.Path("runs/pairs/result/pairs-000000.safetensors")).ShouldBe(written);
    }

    [Fact]
    public void Evaluate_OfATrainedModel_SaysWhatItIsWorth()
    {
        _shop.WithAutoencoder();
        _shop.Run("flow", Workshop.Flow());
        var scorer = _shop.Run("scorer", Workshop.Scorer);

        var events = _shop.Run("evaluate", "{model: runs/flow/result, data: data, side: 16, scorer: runs/scorer/result, count: 6, path_steps: 3, batch: 4, latency_runs: 2}");

        scorer.OfType<SamplesWritten>().Last().Measures["caption_accuracy_seen"].ShouldBeInRange(0, 1);
        using var report = System.Text.Json.JsonDocument.Parse(File.ReadAllText(_shop.Path("runs/evaluate/result/report.json")));
        var seen = report.RootElement.GetProperty("seen");
        seen.GetProperty("pictures").GetInt32().ShouldBe(6);
        seen.GetProperty("frechet").GetDouble().ShouldBeGreaterThan(0);
        seen.GetProperty("straightness").GetDouble().ShouldBeGreaterThan(0);
        report.RootElement.GetProperty("latency_seconds").GetDouble().ShouldBeGreaterThan(0);
        report.RootElement.GetProperty("features").GetString()!.ShouldContain(FileHash.Sha256(_shop.Path("runs/scorer/result/model.safetensors"))[..12]);
        report.RootElement.TryGetProperty("unseen", out _).ShouldBeFalse("one picture kept back is no group");
        File.Exists(_shop.Path("runs/evaluate/result/seen.png")).ShouldBeTrue();
        events.Last().ShouldBeOfType<RunFinished>();
    }

    [Fact]
    public void Pairs_InShards_AreThoseOfOneRun()
    {
        _shop.WithAutoencoder();
        _shop.Run("flow", Workshop.Flow());
        _shop.Run("pairs", "{teacher: runs/flow/result, data: data, count: 8, per_file: 4, steps: 2}");
        _shop.Run("pairs", "{teacher: runs/flow/result, data: data, count: 8, per_file: 4, steps: 2, shards: 2, shard: 1}", "second");

        Directory.GetFiles(_shop.Path("runs/second/result")).Select(Path.GetFileName).ShouldBe(["pairs-000001.safetensors"]);
        File.ReadAllBytes(_shop.Path("runs/second/result/pairs-000001.safetensors")).ShouldBe(File.ReadAllBytes(_shop.Path("runs/pairs/result/pairs-000001.safetensors")));
    }

    [Fact]
    public void Rehearse_WritesNothing()
    {
        var lines = JobPlans.Parse("autoencoder", Workshop.Autoencoder, _shop.Root).Rehearse();

        lines[0].ShouldContain("6 steps of 4");
        Directory.Exists(_shop.Path("runs")).ShouldBeFalse();
    }

    [Fact]
    public void Run_WithAnotherConfiguration_IsRefused()
    {
        _shop.Run("autoencoder", Workshop.Autoencoder);

        Should.Throw<InvalidOperationException>(() => _shop.Run("autoencoder", Workshop.Autoencoder.Replace("rate: 0.003", "rate: 0.004", StringComparison.Ordinal), resume: true));
    }

    [Theory]
    [InlineData("autoencoder", "{data: nowhere, train: {images: 10}}", "data")]
    [InlineData("autoencoder", "{data: ../data, train: {images: 10}}", "data")]
    [InlineData("autoencoder", "{data: data, train: {images: 10, rate: -1}}", "train.rate")]
    [InlineData("autoencoder", "{data: data, network: {block_out_channels: [7]}, train: {images: 10}}", "network")]
    [InlineData("autoencoder", "{data: data, train: {images: 10}, nets: 1}", "nets")]
    [InlineData("flow", "{data: data, vae: data, tokenizer: data, loss: {distance: lpips}, train: {images: 10}}", "loss.weights")]
    [InlineData("flow", "{data: data, vae: data, tokenizer: data, loss: {distance: huber_mean}, train: {images: 10}}", "loss.scale")]
    [InlineData("flow", "{data: data, vae: data, tokenizer: data, times: {law: sometimes}, train: {images: 10}}", "times.law")]
    [InlineData("pairs", "{teacher: data, data: data, count: 4, sampler: lcm}", "sampler")]
    [InlineData("pairs", "{teacher: data, data: data, count: 4, kind: flow}", "kind")]
    [InlineData("dreaming", "{}", "kind")]
    public void Parse_OfABadSpecification_NamesTheField(string kind, string yaml, string field) =>
        Should.Throw<JobConfigException>(() => JobPlans.Parse(kind, yaml, _shop.Root)).Faults.Select(f => f.Field).ShouldContain(field);

    [Fact]
    public void Flow_WithLpips_LearnsThroughTheDecoder()
    {
        _shop.WithAutoencoder();
        _shop.Run("flow", Workshop.Flow());
        _shop.Run("pairs", "{teacher: runs/flow/result, data: data, count: 8, steps: 2}");
        using (var metric = new Mesh.Training.Perception.LatentLpips(4))
        {
            using var mode = no_grad();
            foreach (var (name, value) in metric.Tensors().Where(t => t.Key.StartsWith("lin", StringComparison.Ordinal)))
                value.abs_();
            SafetensorsWriter.Write(_shop.Path("metric.safetensors"), metric.Tensors());
        }

        var events = _shop.Run("distil", Workshop.Distil("{distance: latent_lpips, weights: metric.safetensors, augmentations: bg}"));

        events.OfType<TickPassed>().Last().Losses["loss"].ShouldBeGreaterThan(0);
    }

    private string Hash(string run) => FileHash.Sha256(_shop.Path($"runs/{run}/checkpoints/step-0000000006/state.safetensors"));
}
