using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Data.Emoji;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary>Where a data set comes from.</summary>
public enum DataOrigin
{
    /// <summary>A folder of picture files with captions, or shards.</summary>
    Pictures,

    /// <summary>Openly licensed emoji, rendered and captioned.</summary>
    Emoji,
}

/// <summary><c>data</c>: captioned pictures as shards of one size, divided into what is trained on and what is kept for judging.</summary>
internal sealed class DataPlan : IJobPlan
{
    public const string KindName = "data";

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly JobFields _fields;
    private readonly DataOrigin _origin;
    private readonly string? _from;
    private readonly string[] _splitBy = [];
    private readonly EmojiStyle[] _styles = [];
    private readonly int _side;
    private readonly double _testShare;
    private readonly int _perShard;

    private DataPlan(JobFields fields, string root)
    {
        _fields = fields;
        _origin = fields.Choice<DataOrigin>("source", null);
        if (_origin == DataOrigin.Pictures)
        {
            _from = fields.Folder("from", root);
            _splitBy = fields.Texts("split_by", []);
        }
        else
        {
            var all = EmojiStyle.All.Select(s => s.Key).ToArray();
            var chosen = fields.Texts("styles", all);
            foreach (var unknown in chosen.Where(s => !all.Contains(s)))
                fields.Fault("styles", $"'{unknown}' is none of {string.Join(", ", all)}");
            _styles = [.. EmojiStyle.All.Where(s => chosen.Contains(s.Key))];
            if (_styles.Length == 0)
                fields.Fault("styles", "names no style");
        }

        _side = fields.Amount("side", 64, 8, 1024);
        _testShare = fields.Number("test_share", 0.05, 0, 1);
        _perShard = fields.Amount("per_shard", 4096, 1);
        if ((long)_perShard * _side * _side * 3 > Array.MaxLength)
            fields.Fault("per_shard", $"{_perShard} pictures of {_side} px are more than a file of 2 GiB holds");
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public static IJobPlan Read(JobFields fields, string root) => new DataPlan(fields, root);

    public void Run(JobContext context)
    {
        // A manifest is written last, so that what has one was finished, if it was this configuration's.
        var isThere = context.Resume && File.Exists(Path.Combine(context.Folder.Result, DataManifest.FileName))
            && File.Exists(context.Folder.ConfigPath) && File.ReadAllText(context.Folder.ConfigPath) == Resolved;
        context.Folder.SaveConfig(Resolved);
        var clock = Stopwatch.StartNew();
        if (!isThere)
            Make(context, clock);
        DataManifest.Check(context.Folder.Result);
        context.Tell(new RunFinished(context.Folder.Result, clock.Elapsed.TotalSeconds));
    }

    public IReadOnlyList<string> Rehearse()
    {
        if (_origin == DataOrigin.Emoji)
            return [.. _styles.Select(s => $"{s.Key}: {s.Package}, {s.Licence}, {s.Credit}")];
        var split = PictureSplit.Divide(Pictures(PictureSet.Open(_from!, _side)), _testShare);
        var test = split.Kept.Count(IsTest);
        var counts = string.Create(CultureInfo.InvariantCulture, $"{split.Kept.Count:N0} pictures of {_side} px, {test:N0} of them kept for judging");
        return [string.Create(CultureInfo.InvariantCulture, $"{counts}, {split.Copies:N0} left out")];
    }

    private static bool IsTest(NewPicture picture) => picture.Line["split"]!.GetValue<string>() == PictureEntry.TestSplit;

    private void Make(JobContext context, Stopwatch clock)
    {
        var sources = new JsonArray();
        var pictures = _origin == DataOrigin.Pictures
            ? Pictures(PictureSet.Open(_from!, _side))
            : new EmojiSource(_styles, _side).Read(context, sources, clock);
        var split = PictureSplit.Divide(pictures, _testShare);
        var files = new List<(string, long, string)>();
        void Write(string name, byte[] content)
        {
            context.Folder.WriteWhole(Path.Combine(context.Folder.Result, name), content);
            files.Add((name, content.Length, DataManifest.Hash(content)));
        }

        Clear(context.Folder);
        foreach (var (part, i) in split.Kept.Chunk(_perShard).Select((p, i) => (p, i)))
        {
            context.Cancel.ThrowIfCancellationRequested();
            var number = i.ToString("D4", CultureInfo.InvariantCulture);
            Write($"images-{number}.bin", Joined(part));
            Write($"captions-{number}.jsonl", Encoding.UTF8.GetBytes(string.Concat(part.Select(p => p.Line.ToJsonString(Relaxed) + "\n"))));
        }

        var remarks = new JsonObject
        {
            ["side"] = _side, ["pictures"] = split.Kept.Count, ["test"] = split.Kept.Count(IsTest), ["left_out_variants_of_test"] = split.Variants,
            ["left_out_copies_of_test"] = split.Copies, ["sources"] = sources,
        };
        context.Folder.WriteWhole(Path.Combine(context.Folder.Result, DataManifest.FileName), DataManifest.Of(remarks, files));
        EmojiSource.Forget(context.Folder);
    }

    // What an earlier run left there must not be taken for a shard of this one.
    private static void Clear(RunFolder folder)
    {
        folder.Check();
        if (Directory.Exists(folder.Result))
            Directory.Delete(folder.Result, recursive: true);
    }

    private byte[] Joined(NewPicture[] pictures)
    {
        var each = _side * _side * 3;
        var bytes = new byte[pictures.Length * each];
        for (var i = 0; i < pictures.Length; i++)
            pictures[i].Pixels.Span.CopyTo(bytes.AsSpan(i * each));
        return bytes;
    }

    /// <summary>Pictures of a folder. Without fields that say what belongs together, a picture's own pixels are its key.</summary>
    private IEnumerable<NewPicture> Pictures(PictureSet set) => set.Entries.Select(entry =>
    {
        var line = new JsonObject { ["captions"] = new JsonArray([.. entry.Captions.Select(c => (JsonNode)c)]) };
        foreach (var (name, value) in entry.Fields.Where(f => f.Key is not ("captions" or "caption")))
            line[name] = value.StartsWith('[') || value.StartsWith('{') ? JsonNode.Parse(value) : value;
        var missing = _splitBy.FirstOrDefault(f => !entry.Fields.ContainsKey(f));
        if (missing is not null)
            throw new DataException($"picture {entry.Index} has no field {missing} to divide by");
        var pixels = set.Pixels(entry.Index);
        var key = _splitBy.Length > 0 ? string.Join('\n', _splitBy.Select(f => entry.Fields[f])) : DataManifest.Hash(pixels.Span);
        return new NewPicture(pixels, line, key);
    });
}
