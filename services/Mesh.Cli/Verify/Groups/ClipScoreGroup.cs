using System.Globalization;
using System.Text.Json;
using Mesh.Imaging;
using Mesh.Models.Networks;
using Mesh.Models.Text;
using Mesh.Training.Evaluation;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>CLIP score from pictures and captions, and distances between sets of features.</summary>
public sealed class ClipScoreGroup : IGoldenGroup
{
    private const double LeastOfScores = 1e-6;

    /// <inheritdoc/>
    public string Name => "clipscore";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden) =>
        golden.Has("values") ? Distributions(golden) : golden.Has("hf") ? Scores(golden) : throw new FormatException("a case of another form");

    private static List<Check> Scores(GoldenCase golden)
    {
        golden.Knows("crop", "mean", "std", "text", "weights");
        var checks = new List<Check>();
        using var mode = no_grad();
        var side = golden.Field("size").GetInt32();
        var prompts = golden.Field("prompts").EnumerateArray().Select(p => p.GetString()!).ToArray();
        var pictures = golden.TensorNames.Where(n => n.StartsWith("in.image.", StringComparison.Ordinal)).OrderBy(n => n, StringComparer.Ordinal).Select(n =>
        {
            using var stored = golden.Read(n);
            return new Image((int)stored.shape[1], (int)stored.shape[0], stored.data<byte>().ToArray());
        }).ToArray();

        // 1. Pictures.
        var squares = pictures.Select(ClipScore.Square).ToArray();
        for (var i = 0; i < squares.Length; i++)
        {
            using var square = tensor(squares[i].Pixels).reshape(squares[i].Height, squares[i].Width, Image.Channels);
            checks.Add(golden.Compare($"out.square256.{i}.every8", square.slice(0, 0, square.shape[0], 8).slice(1, 0, square.shape[1], 8), 0.0));
        }

        using var pixels = cat(squares.Select(p => ClipScore.Pixels(p, side)).ToArray(), 0);
        using var whole = cat(pictures.Select(p => ClipScore.Pixels(p, side)).ToArray(), 0);
        checks.Add(golden.Compare("out.pixels", pixels, CheckKind.Layer));
        checks.Add(golden.Compare("out.whole.pixels", whole, CheckKind.Layer));

        // 2. Captions.
        using var ids = golden.Read("in.ids");
        var tokenizer = ClipTokenizer.Load(Path.GetDirectoryName(golden.Locate("tokenizer/vocab.json"))!, new ClipTokenizerOptions((int)ids.shape[1]));
        var mine = prompts.SelectMany(p => ClipScore.Ids(tokenizer, p, (int)ids.shape[1])).ToArray();
        checks.Add(Check.Tensors("in.ids", tensor(mine).reshape(ids.shape), ids, 0));

        // 3. Both models.
        foreach (var kind in new[] { "hf", "open_clip" })
        {
            using var model = Model(golden, kind);
            using var seen = model.EmbedPictures(pixels);
            using var said = model.EmbedTexts(ids);
            checks.Add(golden.Compare($"out.{kind}.image", seen, CheckKind.Network));
            checks.Add(golden.Compare($"out.{kind}.text", said, CheckKind.Network));
            checks.Add(golden.Compare($"out.{kind}.cosine", ClipModel.Cosines(seen, said), CheckKind.Network));
            var score = ClipScore.Of(seen, said.narrow(0, 0, seen.shape[0]));
            using var expected = golden.Read($"out.{kind}.score");
            golden.Compare($"out.{kind}.score", expected, 0.0);
            var error = Math.Abs(score - expected.item<float>());
            var allowed = Math.Max(LeastOfScores, 10 * golden.Field("tolerance of the scores, absolute").GetDouble());
            checks.Add(new Check($"out.{kind}.score", error, allowed, error <= allowed));
            if (golden.HasTensor($"out.{kind}.whole.image"))
                checks.Add(golden.Compare($"out.{kind}.whole.image", model.EmbedPictures(whole), CheckKind.Network));
        }

        return checks;
    }

    private static ClipModel Model(GoldenCase golden, string kind)
    {
        var described = golden.Field(kind);
        var model = kind == "hf" ? Transformers(described) : OpenClip(described);
        using var weights = new ProceduralWeights(golden.Numbers, described.GetProperty("state_dict").Shapes());
        model.Load(weights);
        return model;
    }

    private static ClipModel Transformers(JsonElement described)
    {
        described.Only("hf", "class", "attention", "text_config", "vision_config", "projection_dim", "state_dict");
        var vision = described.GetProperty("vision_config");
        return new ClipModel(ClipTextConfig.FromJson(described.GetProperty("text_config"), projection: true), new ClipVisionConfig
        {
            HiddenSize = vision.GetProperty("hidden_size").GetInt32(), IntermediateSize = vision.GetProperty("intermediate_size").GetInt32(),
            Layers = vision.GetProperty("num_hidden_layers").GetInt32(), Heads = vision.GetProperty("num_attention_heads").GetInt32(),
            ImageSize = vision.GetProperty("image_size").GetInt32(), PatchSize = vision.GetProperty("patch_size").GetInt32(),
            ProjectionDim = described.GetProperty("projection_dim").GetInt32(), QuickGelu = vision.GetProperty("hidden_act").GetString() == "quick_gelu",
        });
    }

    private static ClipModel OpenClip(JsonElement described)
    {
        described.Only("open_clip", "class", "config", "quick_gelu", "note", "state_dict");
        var config = described.GetProperty("config");
        var (vision, text) = (config.GetProperty("vision_cfg"), config.GetProperty("text_cfg"));
        var quick = described.GetProperty("quick_gelu").GetBoolean();
        var (width, textWidth) = (vision.GetProperty("width").GetInt32(), text.GetProperty("width").GetInt32());
        var projection = config.GetProperty("embed_dim").GetInt32();
        return new ClipModel(
            new ClipTextConfig
            {
                VocabSize = text.GetProperty("vocab_size").GetInt32(), HiddenSize = textWidth, IntermediateSize = (int)(textWidth * text.GetProperty("mlp_ratio").GetDouble()),
                ProjectionDim = projection, Layers = text.GetProperty("layers").GetInt32(), Heads = text.GetProperty("heads").GetInt32(),
                MaxPositions = text.GetProperty("context_length").GetInt32(), QuickGelu = quick, LayerNormEps = 1e-5, EosTokenId = 2,
            },
            new ClipVisionConfig
            {
                HiddenSize = width, IntermediateSize = (int)(width * vision.GetProperty("mlp_ratio").GetDouble()), Layers = vision.GetProperty("layers").GetInt32(),
                Heads = width / vision.GetProperty("head_width").GetInt32(), ImageSize = vision.GetProperty("image_size").GetInt32(),
                PatchSize = vision.GetProperty("patch_size").GetInt32(), ProjectionDim = projection, QuickGelu = quick,
            });
    }

    private static List<Check> Distributions(GoldenCase golden)
    {
        golden.Knows("frechet", "kernel", "precision and recall");
        var checks = new List<Check>();
        var relative = golden.NoiseFloor!.Value * 10;
        var absolute = golden.Field("tolerance of a_a, absolute").GetDouble() * 1000;
        var off = golden.Field("clean_fid against exact, absolute");
        foreach (var value in golden.Field("values").EnumerateObject())
        {
            var parts = value.Name.Split('.');
            if (value.Value.ValueKind != JsonValueKind.Number || parts.Length < 3)
                continue;
            var actual = parts[0] == "frechet" ? Frechet(golden, parts[1]) : Kernel(golden, parts[1]);
            var expected = value.Value.GetDouble();
            var allowed = Math.Max(absolute, relative * Math.Abs(expected)) + (parts[2] == "clean_fid" && off.TryGetProperty(parts[1], out var root) ? 2 * root.GetDouble() : 0);
            var error = Math.Abs(actual - expected);
            checks.Add(new Check(value.Name, error, allowed, error <= allowed, string.Create(CultureInfo.InvariantCulture, $"{actual} for {expected}")));
        }

        checks.AddRange(Overlap(golden));
        return checks;
    }

    private static (Tensor, Tensor) Pair(GoldenCase golden, string pair)
    {
        if (pair == "halves")
        {
            var a = golden.Input("in.a");
            return (a.narrow(0, 0, a.shape[0] / 2), a.narrow(0, a.shape[0] / 2, a.shape[0] - (a.shape[0] / 2)));
        }

        var names = pair.Split('_');
        Tensor Named(string name)
        {
            var digits = name.SkipWhile(char.IsLetter).ToArray();
            var whole = golden.Input("in." + name[..(name.Length - digits.Length)]);
            return digits.Length == 0 ? whole : whole.narrow(0, 0, long.Parse(digits, CultureInfo.InvariantCulture));
        }

        return (Named(names[0]), Named(names[1]));
    }

    private static double Kernel(GoldenCase golden, string pair)
    {
        var (a, b) = Pair(golden, pair);
        return Training.Evaluation.Distributions.Kernel(a, b);
    }

    private static double Frechet(GoldenCase golden, string pair)
    {
        if (pair != "diagonal")
        {
            var (a, b) = Pair(golden, pair);
            return Training.Evaluation.Distributions.Frechet(a, b);
        }

        return Training.Evaluation.Distributions.Frechet(
            tensor(new[] { 0.0, 1, 2, 3 }), diag(tensor(new[] { 4.0, 1, 0.25, 9 })), tensor(new[] { 0.5, 1, 0, 3 }), diag(tensor(new[] { 1.0, 2.25, 0.25, 4 })));
    }

    private static IEnumerable<Check> Overlap(GoldenCase golden)
    {
        var overlap = Training.Evaluation.Distributions.Overlap(golden.Input("in.real"), golden.Input("in.fake"));
        var values = golden.Field("values");
        yield return Check.Numbers("precision", [overlap.Precision], [values.GetProperty("precision").GetDouble()], 1e-8);
        yield return Check.Numbers("recall", [overlap.Recall], [values.GetProperty("recall").GetDouble()], 1e-8);
        yield return golden.Compare("out.radii.real", tensor(overlap.RealRadii), 1e-9);
        yield return golden.Compare("out.radii.fake", tensor(overlap.FakeRadii), 1e-9);
        yield return golden.Compare("out.fake_in_real", tensor(overlap.FakeInReal).to(ScalarType.Byte), 0.0);
        yield return golden.Compare("out.real_in_fake", tensor(overlap.RealInFake).to(ScalarType.Byte), 0.0);
    }
}
