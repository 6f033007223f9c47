using Mesh.Models.Networks;
using Mesh.Models.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Autoencoders: AutoencoderKL whole, by tiles and under old names; AutoencoderTiny; the posterior alone.</summary>
public sealed class VaeGroup : IGoldenGroup
{
    private const int PictureSampleStep = 5;

    /// <inheritdoc/>
    public string Name => "vae";

    /// <inheritdoc/>
    public bool ComputesInBFloat16 => true;

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        if (!golden.Has("config"))
            return Gaussian(golden);
        return golden.Field("config").GetProperty("_class_name").GetString() switch
        {
            "AutoencoderTiny" => Tiny(golden),
            "AutoencoderKL" when golden.Has("files") => OldNames(golden),
            "AutoencoderKL" when golden.Has("tile") => Tiled(golden),
            "AutoencoderKL" => Whole(golden),
            var other => throw new FormatException($"{other} is no autoencoder"),
        };
    }

    private static AutoencoderKL Load(GoldenCase golden)
    {
        golden.Knows("network");
        var weights = golden.Field("weights").Only("weights", "prefix", "shapes", "shapes_in", "gain");
        var config = AutoencoderKLConfig.FromJson(golden.Field("config"));
        return GoldenNetworks.Fill(golden, BlankNetwork.Make(device => new AutoencoderKL(config, device)), weights.Text("prefix") ?? "", GoldenNetworks.Gain(weights));
    }

    private static Check? Keys(GoldenCase golden, nn.Module network) =>
        GoldenNetworks.ExpectedShapes(golden, golden.Field("weights")) is { } shapes ? GoldenNetworks.Keys("keys", network, shapes) : null;

    private static List<Check> Gaussian(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        using var gaussian = new DiagonalGaussian(golden.Input("in.moments"));
        using var extreme = new DiagonalGaussian(golden.Input("in.extreme"));
        return
        [
            golden.Compare("out.mean", gaussian.Mean, CheckKind.Layer),
            golden.Compare("out.logvar", gaussian.LogVariance, CheckKind.Layer),
            golden.Compare("out.std", gaussian.StandardDeviation, CheckKind.Layer),
            golden.Compare("out.kl", gaussian.KullbackLeibler(), CheckKind.Layer),
            golden.Compare("out.sample", gaussian.Sample(golden.Input("in.noise")), CheckKind.Layer),
            golden.Compare("out.extreme_logvar", extreme.LogVariance, CheckKind.Layer),
        ];
    }

    private static List<Check> Whole(GoldenCase golden)
    {
        var checks = new List<Check>();
        using var net = Load(golden);
        if (Keys(golden, net) is { } keys)
            checks.Add(keys);

        // Encoder.
        using (no_grad())
        using (var scope = NewDisposeScope())
        {
            using var posterior = net.Encode(golden.Input("in.image"));
            CompareIfThere("out.mean", () => posterior.Mean);
            CompareIfThere("out.logvar", () => posterior.LogVariance);
            CompareIfThere("out.mode", () => net.Scale(posterior.Mean));
            CompareIfThere("out.sample", () => net.Scale(posterior.Sample(golden.Input("in.noise"))));
        }

        // Decoder. A case with changed weights looks at the network alone: its latent is not divided by the scaling factor.
        var gradient = golden.HasTensor("out.d_latent");
        var latent = golden.Input("in.latent").requires_grad_(gradient);
        using var mode = gradient ? null : no_grad();
        using var decoded = net.Decode(golden.Field("weights").TryGetProperty("gain", out _) ? latent : net.Unscale(latent));
        CompareIfThere("out.decoded", () => decoded);
        CompareIfThere("out.decoded_sample", () => decoded.slice(2, 0, decoded.shape[2], PictureSampleStep).slice(3, 0, decoded.shape[3], PictureSampleStep));
        CompareIfThere("out.decoded_statistics", () => GoldenCase.Statistics(decoded, unbiased: true));
        if (gradient)
            checks.Add(Gradient(golden, decoded, latent));
        return checks;

        void CompareIfThere(string name, Func<Tensor> value)
        {
            if (golden.HasTensor(name))
                checks.Add(golden.Compare(name, value(), CheckKind.Network));
        }
    }

    private static Check Gradient(GoldenCase golden, Tensor decoded, Tensor latent)
    {
        using var loss = (decoded * golden.Input("in.r")).mean();
        loss.backward();
        return golden.CompareGradient("out.d_latent", latent.grad!, CheckKind.Network);
    }

    private static IEnumerable<Check> Tiled(GoldenCase golden)
    {
        golden.Knows("rule", "untiled_decode_differs_by");
        using var inference = inference_mode();
        using var net = Load(golden);
        if (Keys(golden, net) is { } keys)
            yield return keys;
        var tile = golden.Field("tile").Only(
            "tile", "sample_side", "latent_side", "overlap_factor", "decode_step_latents", "decode_blend_pixels", "decode_keep_pixels", "encode_step_pixels",
            "encode_blend_latents", "encode_keep_latents");
        var tiles = net.Config.Tiles;
        yield return Check.That(
            "tile",
            tiles.SampleSide == tile.GetProperty("sample_side").GetInt32() && tiles.LatentSide == tile.GetProperty("latent_side").GetInt32()
            && tiles.Overlap == tile.GetProperty("overlap_factor").GetDouble(),
            $"the configuration gives {tiles}");
        using var decoded = net.DecodeTiled(golden.Input("in.latent"));
        yield return golden.Compare("out.decoded", decoded, CheckKind.Network);
        using var posterior = net.EncodeTiled(golden.Input("in.image"));
        yield return golden.Compare("out.mean", posterior.Mean, CheckKind.Network);
    }

    private static IEnumerable<Check> OldNames(GoldenCase golden)
    {
        golden.Knows("names");
        using var inference = inference_mode();
        foreach (var file in golden.Field("files").EnumerateArray().Select(f => f.GetString()!))
        {
            using var net = new AutoencoderKL(AutoencoderKLConfig.FromJson(golden.Field("config")));
            using (var weights = SafetensorsFile.Open(golden.Locate(file)))
                StrictLoader.Load(net.state_dict(), weights);
            if (golden.ComputeType != ScalarType.Float32)
                net.to(golden.ComputeType);
            using var decoded = net.Decode(golden.Input("in.latent"));
            yield return golden.Compare("out.decoded", decoded, CheckKind.Network) with { What = $"out.decoded, {file}" };
            using var posterior = net.Encode(golden.Input("in.image"));
            yield return golden.Compare("out.mean", posterior.Mean, CheckKind.Network) with { What = $"out.mean, {file}" };
        }
    }

    private static List<Check> Tiny(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var checks = new List<Check>();
        var weights = golden.Field("weights").Only("weights", "prefix", "shapes", "shapes_in", "gain");
        using var net = GoldenNetworks.Fill(
            golden, new AutoencoderTiny(AutoencoderTinyConfig.FromJson(golden.Field("config"))), weights.Text("prefix") ?? "", GoldenNetworks.Gain(weights));
        if (Keys(golden, net) is { } keys)
            checks.Add(keys);
        using (no_grad())
        {
            checks.Add(golden.Compare("out.encoded", net.Encode(golden.Input("in.image")), CheckKind.Network));
            using var latent = golden.Input("in.latent");
            using var stored = net.Store(latent);
            checks.Add(golden.Compare("out.stored", stored, CheckKind.Layer));
            checks.Add(golden.Compare("out.restored", net.Restore(stored), CheckKind.Layer));
            if (golden.Has("tile"))
                checks.Add(TinyTiled(golden, net));
        }

        var free = golden.Input("in.latent").requires_grad_();
        using var decoded = net.Decode(free);
        checks.Add(golden.Compare("out.decoded", decoded, CheckKind.Network));
        checks.Add(Gradient(golden, decoded, free));
        return checks;
    }

    private static Check TinyTiled(GoldenCase golden, AutoencoderTiny net)
    {
        var tile = golden.Field("tile").Only("tile", "latent_side", "sample_side", "overlap_factor", "rule");
        var tiles = new TileOptions(tile.GetProperty("sample_side").GetInt32(), tile.GetProperty("latent_side").GetInt32(), tile.GetProperty("overlap_factor").GetDouble());
        using var tiled = net.DecodeTiled(golden.Input("in.large"), tiles);
        return golden.Compare("out.tiled", tiled, CheckKind.Network);
    }
}
