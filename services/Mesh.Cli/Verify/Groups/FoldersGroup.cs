using Mesh.Models.Networks;
using Mesh.Models.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>A real model folder, whole, in half precision and in shards, and what its networks compute one after the other.</summary>
public sealed class FoldersGroup : IGoldenGroup
{
    private const double Timestep = 1000;
    private const string HalfVariant = "fp16";

    /// <inheritdoc/>
    public string Name => "folders";

    /// <inheritdoc/>
    public bool ComputesInBFloat16 => true;

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("weights");
        string path = golden.Locate(golden.Field("folder").GetString()!);
        var files = golden.Field("files").EnumerateArray().Select(f => f.GetString()!).ToArray();
        yield return Check.Count("files", files.Count(f => !File.Exists(Path.Combine(Path.GetDirectoryName(path)!, f))));
        // The text after the comma says which variants there are and that their values are the whole files'.
        string sharded = golden.Locate(golden.Field("sharded_unet").GetString()!.Split(',')[0]);
        foreach (string? variant in (string?[])[null, HalfVariant])
        {
            var folder = ModelFolder.Open(path, variant);
            foreach (var check in Chain(golden, folder, variant is null ? "" : "_" + variant))
                yield return check;
            yield return Same($"shards {variant}", folder.Require("unet"), ModelComponent.Open(sharded, variant));
        }
    }

    private static List<Check> Chain(GoldenCase golden, ModelFolder folder, string suffix)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var text = Load(golden, folder.Require("text_encoder"), c => new ClipTextEncoder(ClipTextConfig.FromJson(c, projection: false)), "CLIPTextModel");
        using var unet = Load(golden, folder.Require("unet"), c => new UNet(UNetConfig.FromJson(c)), "UNet2DConditionModel");
        using var vae = Load(golden, folder.Require("vae"), c => new AutoencoderKL(AutoencoderKLConfig.FromJson(c)), "AutoencoderKL", c => c.Config.ForceUpcast);
        var noise = golden.Input("in.noise");
        using var encoded = text.Encode(golden.Read("in.ids"));
        var context = encoded.LastHiddenState;
        var velocity = unet.call(noise, tensor(new[] { (float)Timestep }), context, null);
        var latent = noise + velocity;
        // Where the decoder is upcast, its picture still is the result of a computation in bfloat16 and is judged as one.
        var image = (vae.Decode(vae.Unscale(latent.to(vae.Dtype))) / 2 + 0.5).clamp(0, 1).to(golden.ComputeType);
        var results = new List<Check>();
        foreach (var (name, value) in (ReadOnlySpan<(string, Tensor)>)[("context", context), ("velocity", velocity), ("latent", latent), ("image", image)])
        {
            if (golden.HasTensor($"out.{name}{suffix}"))
                results.Add(golden.Compare($"out.{name}{suffix}", value, CheckKind.Network));
        }
        return results;
    }

    /// <summary>Loads a network in the type that is computed in, or in float32 where <paramref name="upcast"/> says that its configuration asks for it.</summary>
    private static T Load<T>(GoldenCase golden, ModelComponent component, Func<System.Text.Json.JsonElement, T> build, string className, Func<T, bool>? upcast = null)
        where T : nn.Module
    {
        component.RequireClass(className);
        var network = build(component.RequireConfig());
        using var weights = component.OpenWeights();
        StrictLoader.Load(network, weights);
        network.eval();
        return golden.ComputeType == ScalarType.Float32 || upcast?.Invoke(network) == true ? network : network.to(golden.ComputeType);
    }

    /// <summary>Whether two components hold the same tensors, bit by bit.</summary>
    private static Check Same(string what, ModelComponent whole, ModelComponent shards)
    {
        using var a = whole.OpenWeights();
        using var b = shards.OpenWeights();
        int differing = a.Entries.Keys.Except(b.Entries.Keys).Count() + b.Entries.Keys.Except(a.Entries.Keys).Count();
        foreach (string name in a.Entries.Keys.Intersect(b.Entries.Keys))
        {
            using var left = a.Read(name, ScalarType.Float32);
            using var right = b.Read(name, ScalarType.Float32);
            if (a.Entries[name].DType != b.Entries[name].DType || !left.Equals(right))
                differing++;
        }
        return Check.Count(what, differing);
    }
}
