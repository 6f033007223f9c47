using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary><c>tokenizer</c>: a byte-pair vocabulary from a data set's captions, in CLIP's form.</summary>
internal sealed class TokenizerPlan : IJobPlan
{
    public const string KindName = "tokenizer";
    private const int LeastSize = 514;

    private readonly JobFields _fields;
    private readonly string _data;
    private readonly int _size;
    private readonly int _positions;

    private TokenizerPlan(JobFields fields, string root)
    {
        _fields = fields;
        _data = fields.Folder("data", root);
        _size = fields.Amount("vocabulary", 2048, LeastSize);
        _positions = fields.Amount("positions", 32, 3, 4096);
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public static IJobPlan Read(JobFields fields, string root) => new TokenizerPlan(fields, root);

    public void Run(JobContext context)
    {
        var clock = Stopwatch.StartNew();
        context.Folder.SaveConfig(Resolved);
        var captions = Captions();
        context.Cancel.ThrowIfCancellationRequested();
        var vocabulary = BytePairVocabulary.Learn(captions, _size);
        Write(context.Folder, vocabulary);
        context.Tell(new RunFinished(context.Folder.Result, clock.Elapsed.TotalSeconds));
    }

    public IReadOnlyList<string> Rehearse() => [string.Create(CultureInfo.InvariantCulture, $"{Captions().Count:N0} captions to learn {_size:N0} tokens from")];

    private List<string> Captions() => [.. PictureSet.Open(_data).Entries.Where(e => e.IsTrained).SelectMany(e => e.Captions)];

    private void Write(RunFolder folder, BytePairVocabulary vocabulary)
    {
        var vocab = new JsonObject(vocabulary.Tokens.Select((t, i) => new KeyValuePair<string, JsonNode?>(t, i)));
        void File(string name, string text) => folder.WriteWhole(Path.Combine(folder.Result, name), System.Text.Encoding.UTF8.GetBytes(text));
        File("vocab.json", vocab.ToJsonString());
        File("merges.txt", "#version: 0.2\n" + string.Concat(vocabulary.Merges.Select(m => $"{m.Left} {m.Right}\n")));
        var special = new JsonObject
        {
            ["bos_token"] = BytePairVocabulary.Begin, ["eos_token"] = BytePairVocabulary.End, ["unk_token"] = BytePairVocabulary.End, ["pad_token"] = BytePairVocabulary.End,
        };
        File("special_tokens_map.json", special.ToJsonString());
        var config = special.DeepClone().AsObject();
        config["model_max_length"] = _positions;
        config["tokenizer_class"] = "CLIPTokenizer";
        config["do_lower_case"] = true;
        File("tokenizer_config.json", config.ToJsonString());
    }
}
