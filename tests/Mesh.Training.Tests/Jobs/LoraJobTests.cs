using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Weights;
using Mesh.Training.Configuration;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Jobs;

public sealed class LoraJobTests : IDisposable
{
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Theory]
    [InlineData("flow")]
    [InlineData("diffusion")]
    public void Lora_StoppedAndResumed_EndsWithTheBitsOfAnUninterruptedOne(string objective)
    {
        var yaml = Lora($"objective: {objective}, {(objective == "flow" ? "times: {law: uniform}" : "snr_gamma: 5")}, sample_steps: 2, text_encoder: {{rank: 2, alpha: 1}},");
        WithModel();
        var events = _shop.Run("lora", yaml, "whole");
        using var cancel = new CancellationTokenSource();

        Should.Throw<OperationCanceledException>(() => _shop.Run("lora", yaml, "parts", cancel: cancel.Token, also: e =>
        {
            if (e is TickPassed { Step: 2 })
                cancel.Cancel();
        }));
        _shop.Run("lora", yaml, "parts", resume: true);

        foreach (var file in new[] { "checkpoints/step-0000000006/state.safetensors", "result/lora.safetensors", "result/pytorch_lora_weights.safetensors", "samples/00000006.png" })
            File.ReadAllBytes(_shop.Path("runs/parts/" + file)).ShouldBe(File.ReadAllBytes(_shop.Path("runs/whole/" + file)), file);
        events.OfType<SamplesWritten>().Last().Measures.Keys.ShouldBe(["loss_seen", "loss_unseen"]);
        events.OfType<RunStarted>().Single().Parameters.ShouldBe(3008, "the updates alone are trained");
    }

    [Fact]
    public void Lora_Finished_IsReadForTheModelThatItWasMadeFor()
    {
        WithModel();
        _shop.Run("lora", Lora("half: true,"));

        var component = ModelComponent.Open(_shop.Path("runs/flow/result/unet"));
        using var unet = new UNet(UNetConfig.FromJson(component.RequireConfig()));
        using var source = SafetensorsFile.Open(_shop.Path("runs/lora/result/lora.safetensors"));
        using var file = LoraFile.Read(source, new Dictionary<string, nn.Module> { ["unet"] = unet }, source.Metadata);
        file.Components.ShouldBe(["unet"]);
        file.Layers("unet").ShouldAllBe(l => l.Rank == 4 && l.Scale == 1 && l.Up.abs().max().item<float>() > 0);
        source.Entries.Values.ShouldAllBe(e => e.DType == DType.F16);
    }

    [Theory]
    [InlineData("unet: {targets: [to_nowhere]},", "unet.targets")]
    [InlineData("unet: {targets: []},", "unet.targets")]
    [InlineData("unet: {rank: 0},", "unet")]
    [InlineData("unet: {rank: -1},", "unet.rank")]
    [InlineData("unet: {alpha: 0},", "unet.alpha")]
    [InlineData("text_encoder: {rank: 2, targets: [to_q]},", "text_encoder.targets")]
    [InlineData("objective: dreams,", "objective")]
    [InlineData("objective: flow, snr_gamma: 5,", "snr_gamma")]
    public void Parse_OfABadSpecification_NamesTheField(string more, string field)
    {
        WithModel();

        Should.Throw<JobConfigException>(() => JobPlans.Parse("lora", Lora(more), _shop.Root)).Faults.Select(f => f.Field).ShouldContain(field);
    }

    [Fact]
    public void Parse_OfAFolderThatIsNoModel_NamesTheField() =>
        Should.Throw<JobConfigException>(() => JobPlans.Parse("lora", "{model: data, data: data, train: {images: 4}}", _shop.Root)).Faults.Select(f => f.Field).ShouldBe(["model"]);

    private static string Lora(string more) => $$"""
        {model: runs/flow/result, data: data, side: 16, {{more}} {{(more.StartsWith("unet", StringComparison.Ordinal) ? "" : "unet: {rank: 4},")}}
         train: {batch: 4, images: 24, rate: 0.003, tick_steps: 2, checkpoint_steps: 2, sample_steps: 3} }
        """;

    private void WithModel()
    {
        _shop.WithAutoencoder();
        _shop.Run("flow", Workshop.Flow().Replace("images: 24", "images: 12", StringComparison.Ordinal));
    }
}
