using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Imaging;
using Mesh.Testing;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;

namespace Mesh.Training.Tests.Data;

public sealed class DataJobTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Pictures_OfAFolder_BecomeShardsThatAreReadBack()
    {
        Directory.CreateDirectory(_folder.File("raw"));
        for (var i = 0; i < 12; i++)
        {
            File.WriteAllBytes(_folder.File($"raw/{i:D2}.png"), ImageCodec.Encode(Grey(i / 2, 20, 16), ImageFormat.Png));
            File.WriteAllText(_folder.File($"raw/{i:D2}.txt"), $"grey {i}\nshade {i}\n");
        }

        Run("{source: pictures, from: raw, side: 8, test_share: 0.5, per_shard: 5}", "first");
        Run("{source: pictures, from: raw, side: 8, test_share: 0.5, per_shard: 5}", "second");

        var set = PictureSet.Open(_folder.File("first/result"));
        (set.Count, set.Side).ShouldBe((12, 8));
        set.Entries.Select(e => e.Captions[1]).ShouldBe(Enumerable.Range(0, 12).Select(i => $"shade {i}"));
        set.Entries.Select(e => e.Fields["file"]).ShouldBe(Enumerable.Range(0, 12).Select(i => $"{i:D2}.png"));
        set.Picture(7).Pixels[0].ShouldBe((byte)30);
        for (var i = 0; i < 12; i += 2)
            set.Entries[i].Split.ShouldBe(set.Entries[i + 1].Split, "the same picture twice must not be on both sides");
        set.Entries.Count(e => !e.IsTrained).ShouldBeInRange(1, 11);
        Files("first").ShouldBe(["captions-0000.jsonl", "captions-0001.jsonl", "captions-0002.jsonl", "images-0000.bin", "images-0001.bin", "images-0002.bin", "manifest.json"]);
        foreach (var file in Files("first"))
            File.ReadAllBytes(_folder.File("second/result/" + file)).ShouldBe(File.ReadAllBytes(_folder.File("first/result/" + file)), file);
    }

    [Fact]
    public void Pictures_DividedByAField_StayTogether()
    {
        PictureShards.Write(
            _folder.File("raw"), "", Enumerable.Range(0, 40).Select(i => Grey(i, 8, 8)), Enumerable.Range(0, 40).Select(i => $$"""{"caption": "c", "subject": "s{{i % 10}}", "tags": ["t"]}"""));

        Run("{source: pictures, from: raw, side: 8, test_share: 0.5, split_by: [subject]}", "run");

        var set = PictureSet.Open(_folder.File("run/result"));
        set.Entries.GroupBy(e => e.Fields["subject"]).ShouldAllBe(g => g.Select(e => e.Split).Distinct().Count() == 1);
        set.Entries.Select(e => e.Split).Distinct().Count().ShouldBe(2);
        set.Entries.ShouldAllBe(e => e.Fields["tags"] == "[\"t\"]");
    }

    [Fact]
    public void Divide_NeverTrainsOnWhatIsKeptForJudging()
    {
        var (test, other) = (new byte[] { 1, 2, 3 }, new byte[] { 4, 5, 6 });
        NewPicture Picture(byte[] pixels, string key, string? split, bool judged = true) => new(pixels, split is null ? [] : new JsonObject { ["split"] = split }, key, judged);
        var held = Enumerable.Range(0, 1000).Select(i => $"k{i}").First(k => PictureSplit.IsHeld(k, 0.05));

        var split = PictureSplit.Divide(
            [Picture(test, "a", "test"), Picture([1, 2, 3], "b", "train"), Picture(other, "c", "train"), Picture([7, 8, 9], held, null), Picture([9, 9, 9], held, null, judged: false)], 0.05);

        split.Kept.Select(p => (p.Key, p.Line["split"]!.GetValue<string>())).ShouldBe([("a", "test"), ("c", "train"), (held, "test")]);
        (split.Copies, split.Variants).ShouldBe((1, 1));
    }

    [Fact]
    public void IsHeld_OfManyKeys_KeepsAboutTheShare()
    {
        var keys = Enumerable.Range(0, 4000).Select(i => $"picture {i}").ToArray();

        keys.Count(k => PictureSplit.IsHeld(k, 0.05)).ShouldBeInRange(150, 260, "13 of 256 are 203 of 4,000, give or take four deviations");
        keys.Count(k => PictureSplit.IsHeld(k, 0)).ShouldBe(0);
        keys.Count(k => PictureSplit.IsHeld(k, 1)).ShouldBe(4000);
    }

    [Theory]
    [InlineData("images-0000.bin", "another hash")]
    [InlineData("captions-0000.jsonl", "another hash")]
    [InlineData("manifest.json", "manifest.json")]
    public void Open_OfAFolderThatWasChanged_NamesTheFile(string file, string said)
    {
        PictureShards.Write(_folder.File("raw"), "", [Grey(1, 8, 8)], ["""{"caption": "c"}"""]);
        Run("{source: pictures, from: raw, side: 8}", "run");
        var path = _folder.File("run/result/" + file);
        var bytes = File.ReadAllBytes(path);
        bytes[0] ^= 1;
        File.WriteAllBytes(path, bytes);

        var fault = Should.Throw<DataException>(() => PictureSet.Open(_folder.File("run/result")));

        fault.Message.ShouldContain(file);
        fault.Message.ShouldContain(said);
    }

    [Fact]
    public void Open_OfAFolderWithAFurtherShard_IsRefused()
    {
        PictureShards.Write(_folder.File("raw"), "", [Grey(1, 8, 8)], ["""{"caption": "c"}"""]);
        Run("{source: pictures, from: raw, side: 8}", "run");
        PictureShards.Write(_folder.File("run/result"), "-9999", [Grey(2, 8, 8)], ["""{"caption": "d"}"""]);

        Should.Throw<DataException>(() => PictureSet.Open(_folder.File("run/result"))).Message.ShouldContain("images-9999.bin");
    }

    [Fact]
    public void Data_Resumed_KeepsWhatIsFinished()
    {
        PictureShards.Write(_folder.File("raw"), "", [Grey(1, 8, 8)], ["""{"caption": "c"}"""]);
        const string Yaml = "{source: pictures, from: raw, side: 8}";
        Run(Yaml, "run");
        var written = File.GetLastWriteTimeUtc(_folder.File("run/result/manifest.json"));

        Run(Yaml, "run", resume: true);
        File.GetLastWriteTimeUtc(_folder.File("run/result/manifest.json")).ShouldBe(written);
        File.Delete(_folder.File("run/result/manifest.json"));
        Run(Yaml, "run", resume: true);

        using var manifest = JsonDocument.Parse(File.ReadAllBytes(_folder.File("run/result/manifest.json")));
        manifest.RootElement.GetProperty("pictures").GetInt32().ShouldBe(1);
    }

    [Theory]
    [InlineData("{from: raw}", "source")]
    [InlineData("{source: heaven}", "source")]
    [InlineData("{source: pictures}", "from")]
    [InlineData("{source: pictures, from: ../raw}", "from")]
    [InlineData("{source: pictures, from: nowhere}", "from")]
    [InlineData("{source: emoji, from: raw}", "from")]
    [InlineData("{source: emoji, styles: [openmoji]}", "styles")]
    [InlineData("{source: emoji, styles: []}", "styles")]
    [InlineData("{source: emoji, side: 0}", "side")]
    [InlineData("{source: emoji, test_share: -0.1}", "test_share")]
    [InlineData("{source: emoji, side: 1024, per_shard: 1000}", "per_shard")]
    public void Parse_OfABadSpecification_NamesTheField(string yaml, string field)
    {
        Directory.CreateDirectory(_folder.File("raw"));

        Should.Throw<JobConfigException>(() => JobPlans.Parse("data", yaml, _folder.Path)).Faults.Select(f => f.Field).ShouldContain(field);
    }

    private static Image Grey(int value, int width, int height) => Image.Filled(width, height, (byte)(10 * value % 256), (byte)(10 * value % 256), (byte)(value % 256));

    private string[] Files(string run) => [.. Directory.GetFiles(_folder.File(run + "/result")).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    private void Run(string yaml, string run, bool resume = false) =>
        JobPlans.Parse("data", yaml, _folder.Path).Run(new JobContext(new RunFolder(_folder.File(run)), resume, _ => { }, CancellationToken.None));
}
