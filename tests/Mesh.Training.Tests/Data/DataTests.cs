using Mesh.Imaging;
using Mesh.Testing;
using Mesh.Training.Configuration;
using Mesh.Training.Data;

namespace Mesh.Training.Tests.Data;

public sealed class DataTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Order_OverAnEpoch_ShowsEachPictureOnce()
    {
        var order = new DataOrder(Enumerable.Range(0, 50).Select(i => (i, 1.0)), 7);

        order.Next(50).Order().ShouldBe(Enumerable.Range(0, 50));
        order.Next(50).Order().ShouldBe(Enumerable.Range(0, 50));
    }

    [Fact]
    public void Order_SetToAPosition_GoesOnFromThere()
    {
        var whole = new DataOrder(Enumerable.Range(0, 20).Select(i => (i, 0.7)), 7);
        whole.Next(33);
        var position = whole.Position;
        var rest = whole.Next(40);

        new DataOrder(Enumerable.Range(0, 20).Select(i => (i, 0.7)), 7) { Position = position }.Next(40).ShouldBe(rest);
    }

    [Fact]
    public void Order_WithWeights_ShowsPicturesAsOften()
    {
        var order = new DataOrder([(0, 1.0), (1, 0.2), (2, 2.5), (3, 0.0)], 7);
        var seen = order.Next(37000).GroupBy(i => i).ToDictionary(g => g.Key, g => g.Count());

        seen.ShouldNotContainKey(3);
        ((double)seen[1] / seen[0]).ShouldBe(0.2, 0.02);
        ((double)seen[2] / seen[0]).ShouldBe(2.5, 0.05);
    }

    [Fact]
    public void Order_OfAnotherSeed_IsAnother() =>
        new DataOrder(Enumerable.Range(0, 50).Select(i => (i, 1.0)), 8).Next(50).ShouldNotBe(new DataOrder(Enumerable.Range(0, 50).Select(i => (i, 1.0)), 7).Next(50));

    [Fact]
    public void Order_OfNothing_IsAnError() => Should.Throw<DataException>(() => new DataOrder([(0, 0.0)], 1));

    [Fact]
    public void Shards_WrittenAndRead_AreTheSame()
    {
        WriteShards();

        var set = PictureSet.Open(_folder.Path);

        (set.Side, set.Count).ShouldBe((4, 3));
        set.Entries[2].Index.ShouldBe(2);
        set.Entries[1].Captions.ShouldBe(["a blue square", "blue"]);
        set.Entries[1].Fields["style"].ShouldBe("flat");
        set.Picture(2).Pixels.ShouldAllBe(b => b == 9);
        using var batch = set.Batch([1, 2]);
        batch.shape.ShouldBe([2L, 3, 4, 4]);
        batch[0, 2, 3, 3].item<float>().ShouldBe(1f);
        batch[0, 0, 0, 0].item<float>().ShouldBe(-1f);
    }

    [Fact]
    public void Shards_AtAnotherSide_AreResized() => PictureSetSide(8).ShouldBe(8);

    [Fact]
    public void Shards_OfASizeThatFitsNoNumber_AreRefused()
    {
        WriteShards();
        File.AppendAllText(_folder.File("images-0.bin"), "x");

        Should.Throw<DataException>(() => PictureSet.Open(_folder.Path)).Message.ShouldContain("images-0.bin");
    }

    [Fact]
    public void Selection_NeverTakesWhatIsKeptForJudging()
    {
        WriteShards();
        var set = PictureSet.Open(_folder.Path);
        var selection = Selection("{}");

        selection.Of(set.Entries).ShouldBe([(0, 1.0), (1, 1.0), (2, 0.0)]);
    }

    [Theory]
    [InlineData("{weights: {style: {flat: 0.3}}}", 1, 0.3)]
    [InlineData("{weights: {style: {\"*\": 0.5}}}", 1, 0.5)]
    [InlineData("{weights: {style: {3d: 0, flat: 2}, tone: {\"*\": 0.2}}}", 1, 0.4)]
    [InlineData("{weights: {style: {3d: 0, flat: 2}, tone: {\"*\": 0.2}}}", 0, 0)]
    public void Selection_WithWeights_MultipliesThem(string yaml, int index, double weight)
    {
        WriteShards();

        Selection(yaml).WeightOf(PictureSet.Open(_folder.Path).Entries[index]).ShouldBe(weight, 1e-12);
    }

    [Fact]
    public void Selection_WithCaptionWeights_DrawsByThem()
    {
        var entry = new PictureEntry(0, ["a", "b", "c"], "train", new Dictionary<string, string>());
        var selection = Selection("{caption_weights: [0.6, 0, 0.4], drop_captions: 0.1}");

        selection.Caption(entry, 0.05f, 0.5f).ShouldBe("");
        selection.Caption(entry, 0.5f, 0.59f).ShouldBe("a");
        selection.Caption(entry, 0.5f, 0.61f).ShouldBe("c");
        selection.Caption(entry, 0.5f, 1f).ShouldBe("c");
    }

    [Fact]
    public void Files_WithTextsBeside_AreCutToTheMiddle()
    {
        var wide = Image.Filled(6, 4, 10, 20, 30);
        wide.Paste(Image.Filled(1, 4, 255, 255, 255), 0, 0);
        File.WriteAllBytes(_folder.File("b.png"), ImageCodec.Encode(wide, ImageFormat.Png));
        File.WriteAllText(_folder.File("b.txt"), "a thing\nanother name\n");

        var set = PictureSet.Open(_folder.Path, side: 4);

        set.Entries.Single().Captions.ShouldBe(["a thing", "another name"]);
        set.Picture(0).Pixels[..3].ShouldBe([10, 20, 30]);
    }

    [Fact]
    public void Files_WithoutACaption_AreNamed()
    {
        File.WriteAllBytes(_folder.File("b.png"), ImageCodec.Encode(Image.Filled(4, 4, 1, 2, 3), ImageFormat.Png));

        Should.Throw<DataException>(() => PictureSet.Open(_folder.Path, side: 4)).Message.ShouldContain("b.txt");
    }

    [Fact]
    public void Files_ListedOutside_AreRefused()
    {
        File.WriteAllText(_folder.File("captions.jsonl"), """{"file": "../x.png", "caption": "x"}""");

        Should.Throw<DataException>(() => PictureSet.Open(_folder.Path, side: 4)).Message.ShouldContain("outside");
    }

    [Fact]
    public void Open_OfNoFolder_IsAnError() => Should.Throw<DataException>(() => PictureSet.Open(_folder.File("none")));

    private static DataSelection Selection(string yaml)
    {
        var fields = JobFields.Parse(yaml);
        var selection = DataSelection.Read(fields);
        fields.Done();
        return selection;
    }

    private int PictureSetSide(int side)
    {
        WriteShards();
        return PictureSet.Open(_folder.Path, side).Picture(0).Width;
    }

    private void WriteShards()
    {
        PictureShards.Write(
            _folder.Path, "-0", [Image.Filled(4, 4, 255, 0, 0), Image.Filled(4, 4, 0, 0, 255)],
            ["""{"captions": ["a red square"], "style": "3d", "tone": ""}""", """{"captions": ["a blue square", "blue"], "style": "flat", "tone": "dark"}"""]);
        PictureShards.Write(_folder.Path, "-1", [Image.Filled(4, 4, 9, 9, 9)], ["""{"caption": "grey", "split": "test"}"""]);
    }
}
