using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Training.Evaluation;

/// <summary>An open_clip file under transformers' names: one matrix for query, key and value becomes three, projections are turned.</summary>
internal sealed class OpenClipWeights : IWeightSource
{
    private const string Marker = "visual.class_embedding";

    private static readonly string[] Thirds = ["q", "k", "v"];

    private static readonly (string Old, string New)[] Layers =
    [
        ("ln_1.", "layer_norm1."), ("ln_2.", "layer_norm2."), ("attn.out_proj.", "self_attn.out_proj."), ("mlp.c_fc.", "mlp.fc1."), ("mlp.c_proj.", "mlp.fc2."),
    ];

    private static readonly Dictionary<string, string> Single = new(StringComparer.Ordinal)
    {
        ["logit_scale"] = "logit_scale", ["positional_embedding"] = "text_model.embeddings.position_embedding.weight",
        ["token_embedding.weight"] = "text_model.embeddings.token_embedding.weight", ["ln_final.weight"] = "text_model.final_layer_norm.weight",
        ["ln_final.bias"] = "text_model.final_layer_norm.bias", ["visual.class_embedding"] = "vision_model.embeddings.class_embedding",
        ["visual.positional_embedding"] = "vision_model.embeddings.position_embedding.weight", ["visual.conv1.weight"] = "vision_model.embeddings.patch_embedding.weight",
        ["visual.ln_pre.weight"] = "vision_model.pre_layrnorm.weight", ["visual.ln_pre.bias"] = "vision_model.pre_layrnorm.bias",
        ["visual.ln_post.weight"] = "vision_model.post_layernorm.weight", ["visual.ln_post.bias"] = "vision_model.post_layernorm.bias",
    };

    private readonly IWeightSource _inner;
    private readonly Dictionary<string, (string Stored, int Third, bool Turned)> _sources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TensorEntry> _entries = new(StringComparer.Ordinal);

    public OpenClipWeights(IWeightSource inner)
    {
        _inner = inner;
        foreach (var (name, entry) in inner.Entries)
            Add(name, entry);
    }

    public IReadOnlyDictionary<string, TensorEntry> Entries => _entries;

    public string Origin => _inner.Origin;

    public static bool IsOne(IWeightSource source) => source.Entries.ContainsKey(Marker);

    public Tensor Read(string name, ScalarType dtype)
    {
        if (!_sources.TryGetValue(name, out var source))
            throw new WeightFileException($"{Origin} has no tensor {name}");
        using var scope = NewDisposeScope();
        var stored = _inner.Read(source.Stored, dtype);
        if (source.Turned)
            stored = stored.t().contiguous();
        if (source.Third >= 0)
            stored = stored.chunk(3, 0)[source.Third].contiguous();
        return stored.MoveToOuterDisposeScope();
    }

    private void Add(string name, TensorEntry entry)
    {
        if (name is "text_projection" or "visual.proj")
        {
            Put(name == "visual.proj" ? "visual_projection.weight" : "text_projection.weight", entry with { Shape = [entry.Shape[1], entry.Shape[0]] }, (name, -1, true));
            return;
        }

        const string Blocks = "transformer.resblocks.";
        var vision = name.StartsWith("visual." + Blocks, StringComparison.Ordinal);
        if (!vision && !name.StartsWith(Blocks, StringComparison.Ordinal))
        {
            Put(Single.GetValueOrDefault(name, name), entry, (name, -1, false));
            return;
        }

        var rest = name[(name.IndexOf(Blocks, StringComparison.Ordinal) + Blocks.Length)..];
        var dot = rest.IndexOf('.', StringComparison.Ordinal);
        var prefix = $"{(vision ? "vision" : "text")}_model.encoder.layers.{rest[..dot]}.";
        rest = rest[(dot + 1)..];
        const string Joined = "attn.in_proj_";
        if (!rest.StartsWith(Joined, StringComparison.Ordinal))
        {
            var (old, now) = Layers.FirstOrDefault(l => rest.StartsWith(l.Old, StringComparison.Ordinal));
            Put(prefix + (old is null ? rest : now + rest[old.Length..]), entry, (name, -1, false));
            return;
        }

        foreach (var (part, i) in Thirds.Select((p, i) => (p, i)))
            Put($"{prefix}self_attn.{part}_proj.{rest[Joined.Length..]}", entry with { Shape = [entry.Shape[0] / 3, .. entry.Shape[1..]] }, (name, i, false));
    }

    private void Put(string name, TensorEntry entry, (string Stored, int Third, bool Turned) source)
    {
        _entries.Add(name, entry);
        _sources.Add(name, source);
    }
}
