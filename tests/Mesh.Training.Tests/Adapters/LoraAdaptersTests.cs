using System.Text.Json;
using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Models.Weights;
using Mesh.Testing;
using Mesh.Training.Adapters;
using Mesh.Training.Flow;
using Mesh.Training.Optimisation;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Adapters;

public sealed class LoraAdaptersTests : IDisposable
{
    private const string UNetJson = """
        {"sample_size": 8, "in_channels": 4, "out_channels": 4, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
         "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [8, 16], "layers_per_block": 1, "attention_head_dim": 2,
         "cross_attention_dim": 16, "norm_num_groups": 4}
        """;

    private const string TextJson = """
        {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 6,
         "eos_token_id": 39, "hidden_act": "quick_gelu"}
        """;

    private static readonly string[] Everything =
        ["to_q", "to_k", "to_v", "to_out.0", "proj", "net.2", "proj_in", "proj_out", "conv1", "conv2", "conv_shortcut", "time_emb_proj", "conv", "conv_in", "conv_out", "linear_1", "linear_2"];

    private static readonly string[] TextLayers = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"];

    private readonly TempFolder _folder = new();
    private readonly UNet _unet;
    private readonly ClipTextEncoder _text;

    public LoraAdaptersTests()
    {
        manual_seed(3);
        using var unet = JsonDocument.Parse(UNetJson);
        using var text = JsonDocument.Parse(TextJson);
        _unet = new UNet(UNetConfig.FromJson(unet.RootElement));
        _text = new ClipTextEncoder(ClipTextConfig.FromJson(text.RootElement, projection: false));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _unet.Dispose();
        _text.Dispose();
    }

    [Fact]
    public void Untrained_ChangesNothing()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var (noise, time, ids) = Input();
        var before = Call(noise, time, ids);

        using var adapters = new LoraAdapters(_unet, new LoraShape(2, 4, Everything), new TorchGenerator(1));

        Call(noise, time, ids).Equals(before).ShouldBeTrue();
        adapters.All.Count.ShouldBe(LoraAdapters.Paths(_unet).Count());
    }

    [Theory]
    [InlineData(LoraWriter.KohyaFile)]
    [InlineData(LoraWriter.PeftFile)]
    public void Written_ReadStrictlyAndMerged_IsTheTrainedNetwork(string name)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var (noise, time, ids) = Input();
        var plain = Call(noise, time, ids);
        var components = Trained();
        var trained = Call(noise, time, ids);
        var path = _folder.File(name);
        Write(path, components);
        foreach (var adapters in components.Values)
            adapters.Detach();
        Call(noise, time, ids).Equals(plain).ShouldBeTrue("updates that were taken off must leave nothing behind");

        using var file = Read(path);
        using var unet = new MergedLoras(_unet);
        using var text = new MergedLoras(_text);
        unet.Set(file.Layers("unet"), 1);
        text.Set(file.Layers("text_encoder"), 1);
        var merged = Call(noise, time, ids);

        file.Layers("unet").Count.ShouldBe(components["unet"].All.Count);
        file.Layers("text_encoder").Count.ShouldBe(12);
        var scale = trained.abs().max().item<float>();
        (trained - plain).abs().max().item<float>().ShouldBeGreaterThan(0.01f * scale);
        (merged - trained).abs().max().item<float>().ShouldBeLessThan(1e-4f * scale, "float32: (W + BA)x against Wx + B(Ax)");
    }

    [Fact]
    public void Written_InBothNames_SaysTheSame()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var components = Trained();
        LoraWriter.WriteKohya(_folder.File(LoraWriter.KohyaFile), components);
        LoraWriter.WritePeft(_folder.File(LoraWriter.PeftFile), components);

        using var kohya = Read(_folder.File(LoraWriter.KohyaFile));
        using var peft = Read(_folder.File(LoraWriter.PeftFile));

        foreach (var component in components.Keys)
        {
            var others = peft.Layers(component).ToDictionary(l => l.Path);
            foreach (var layer in kohya.Layers(component))
            {
                var other = others[layer.Path];
                (layer.Scale, layer.Rank).ShouldBe((other.Scale, other.Rank));
                layer.Scale.ShouldBe(component == "unet" ? 2 : 0.5);
                layer.Down.Equals(other.Down).ShouldBeTrue(layer.Path);
                layer.Up.Equals(other.Up).ShouldBeTrue(layer.Path);
            }
        }
    }

    [Fact]
    public void Training_OnOneBatch_OverfitsItAndReachesEveryFactor()
    {
        var (noise, _, ids) = Input();
        using var latent = Draw(new TorchGenerator(9), 2, 4, 8, 8);
        using var tau = tensor(new[] { 0.2f, 0.7f });
        using var unet = new LoraAdapters(_unet, new LoraShape(8, 8, Everything), new TorchGenerator(1));
        using var text = new LoraAdapters(_text, new LoraShape(4, 4, TextLayers), new TorchGenerator(2));
        var all = unet.named_parameters().Concat(text.named_parameters().Select(p => ("text." + p.Item1, p.Item2))).Select(p => (p.Item1, p.Item2)).ToArray();
        using var optimiser = new Optimiser(all, new OptimiserConfig(WeightDecay: 0));
        var before = all.Select(p => p.Item2.detach().clone()).ToArray();
        var kept = _unet.state_dict().Values.Select(v => v.detach().clone()).ToArray();
        var objective = new DenoisingObjective(new FlowTimes(TimeLaw.Uniform));
        var losses = new List<float>();
        for (var step = 0; step < 60; step++)
        {
            using var scope = NewDisposeScope();
            using var said = _text.Encode(ids);
            var asked = objective.Of(noise, latent, tau);
            var loss = DenoisingObjective.Loss(asked, _unet.call(asked.State, asked.Time, said.LastHiddenState, null)).mean();
            loss.backward();
            optimiser.Step(0.01);
            losses.Add(loss.item<float>());
        }

        losses[^1].ShouldBeLessThan(0.3f * losses[0]);
        for (var i = 0; i < all.Length; i++)
            all[i].Item2.Equals(before[i]).ShouldBeFalse($"{all[i].Item1} was not trained");
        _unet.state_dict().Values.Zip(kept).ShouldAllBe(p => p.First.Equals(p.Second));
    }

    private static Tensor Draw(TorchGenerator random, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        random.Normals(values);
        return tensor(values).reshape(shape);
    }

    private static (Tensor Noise, Tensor Time, Tensor Ids) Input() =>
        (Draw(new TorchGenerator(5), 2, 4, 8, 8), tensor(new[] { 900f, 100f }), tensor(new long[] { 38, 3, 17, 5, 39, 39, 38, 1, 2, 39, 39, 39 }).reshape(2, 6));

    private Tensor Call(Tensor noise, Tensor time, Tensor ids)
    {
        using var said = _text.Encode(ids);
        return _unet.call(noise, time, said.LastHiddenState, null);
    }

    private Dictionary<string, LoraAdapters> Trained()
    {
        var components = new Dictionary<string, LoraAdapters>
        {
            ["text_encoder"] = new(_text, new LoraShape(4, 2, TextLayers), new TorchGenerator(2)), ["unet"] = new(_unet, new LoraShape(3, 6, Everything), new TorchGenerator(1)),
        };
        var random = new TorchGenerator(7);
        foreach (var adapter in components.Values.SelectMany(c => c.All))
            adapter.Up.copy_(Draw(random, adapter.Up.shape) * 0.1);
        return components;
    }

    private static void Write(string path, Dictionary<string, LoraAdapters> components)
    {
        if (Path.GetFileName(path) == LoraWriter.KohyaFile)
            LoraWriter.WriteKohya(path, components);
        else
            LoraWriter.WritePeft(path, components);
    }

    private LoraFile Read(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return LoraFile.Read(file, new Dictionary<string, nn.Module> { ["unet"] = _unet, ["text_encoder"] = _text }, file.Metadata);
    }
}
