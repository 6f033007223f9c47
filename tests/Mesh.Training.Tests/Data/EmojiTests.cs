using System.Diagnostics;
using System.Text.Json.Nodes;
using Mesh.Testing;
using Mesh.Training.Data;
using Mesh.Training.Data.Emoji;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;

namespace Mesh.Training.Tests.Data;

public sealed class EmojiTests : IDisposable
{
    private const string Names = """
        [{"label": "regional indicator A", "hexcode": "1F1E6"},
         {"label": "red apple", "hexcode": "1F34E", "tags": ["apple", "diet", "food"], "group": 4, "subgroup": 1},
         {"label": "flag: Chad", "hexcode": "1F1F9-1F1E9", "group": 9, "subgroup": 2},
         {"label": "heart suit", "hexcode": "2665-FE0F", "tags": ["card"], "group": 8, "subgroup": 1},
         {"label": "waving hand", "hexcode": "1F44B", "tags": ["hand", "hello"], "group": 1, "subgroup": 3,
          "skins": [{"label": "waving hand: medium-dark skin tone", "hexcode": "1F44B-1F3FE"}, {"label": "waving hand: dark skin tone", "hexcode": "1F44B-1F3FF"}]}]
        """;

    private const string Groups = """
        {"groups": {"1": "people-body", "4": "food-drink", "8": "symbols", "9": "flags"}, "subgroups": {"1": "food-fruit", "2": "country-flag", "3": "hand-fingers-open"}}
        """;

    // An icon set with code points: an alias, a flag, a second drawing of the apple, a hidden icon, one that nobody knows, and a tone by its name.
    private const string Icons = """
        {"width": 32, "height": 32, "icons": {
         "red-apple": {"body": "<path/>"}, "apple-again": {"body": "<b/>"}, "hearts": {"body": "<c/>", "width": 16, "left": 2}, "flag-chad": {"body": "<d/>"},
         "old": {"body": "<e/>", "hidden": true}, "unheard-of": {"body": "<f/>"}, "waving-hand": {"body": "<g/>"}, "waving-hand-medium-dark": {"body": "<h/>"}},
         "aliases": {"heart-suit": {"parent": "hearts"}}}
        """;

    private const string Chars = """{"1f34e": "red-apple", "2665": "heart-suit", "1f1f9-1f1e9": "flag-chad"}""";

    private readonly TempFolder _folder = new();

    public EmojiTests()
    {
        Write("emojibase-data/en/data.json", Names);
        Write("emojibase-data/meta/groups.json", Groups);
        Write("@iconify-json/noto/package.json", """{"version": "1.2.3", "license": "Apache-2.0"}""");
        Write("@iconify-json/noto/info.json", """{"license": {"spdx": "Apache-2.0"}}""");
        Write("@iconify-json/noto/icons.json", Icons);
        Write("@iconify-json/noto/chars.json", Chars);
        Write("@lobehub/fluent-emoji-3d/package.json", """{"version": "1.1.0", "license": "MIT"}""");
        foreach (var file in new[] { "1f44b-1f3ff", "1f34e", "1f44b", "00a9-fe0f" })
            Write($"@lobehub/fluent-emoji-3d/assets/{file}.webp", "");
    }

    private static EmojiStyle Noto => EmojiStyle.All.Single(s => s.Key == "noto");

    private EmojiNames Known => EmojiNames.Read(_folder.File("emojibase-data"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Icons_AreFoundByCodePointsAndByName()
    {
        var art = EmojiArt.Read(_folder.Path, Noto, Known, 64);

        art.Drawings.Select(d => (d.Concept.Hex, d.Concept.Tone)).ShouldBe(
            [("2665", ""), ("1F34E", ""), ("1F44B", ""), ("1F44B-1F3FE", "medium-dark skin tone")]);
        (art.Flags, art.Nameless, art.Doubles, art.Version).ShouldBe((1, 2, 0, "1.2.3"));
        art.Drawings[0].Svg.ShouldBe(
            """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="2 0 16 32" width="128" height="128"><c/></svg>""");
        art.Drawings[3].Concept.Base.ShouldBe("1F44B");
    }

    [Fact]
    public void PictureFiles_AreFoundByTheirCodePoints()
    {
        var art = EmojiArt.Read(_folder.Path, EmojiStyle.All.Single(s => s.Key == "fluent3d"), Known, 64);

        art.Drawings.Select(d => (d.Concept.Name, Path.GetFileName(d.File))).ShouldBe(
            [("red apple", "1f34e.webp"), ("waving hand: dark skin tone", "1f44b-1f3ff.webp"), ("waving hand", "1f44b.webp")], ignoreOrder: true);
        art.Nameless.ShouldBe(1);
    }

    [Theory]
    [InlineData("CC-BY-SA-4.0")]
    [InlineData("MIT")]
    public void Package_WithAnotherLicence_IsRefused(string licence)
    {
        Write("@iconify-json/noto/info.json", $$$"""{"license": {"spdx": "{{{licence}}}"}}""");

        Should.Throw<DataException>(() => EmojiArt.Read(_folder.Path, Noto, Known, 64)).Message.ShouldContain(licence);
    }

    [Theory]
    [InlineData("red apple", "food-drink", "red,apple,diet", "3d emoji of a red apple|red apple, 3d style|red apple, diet, 3d style|red apple")]
    [InlineData("orange", "food-drink", "", "3d emoji of an orange|orange, 3d style|orange, 3d style|orange")]
    [InlineData("grapes", "food-drink", "a1,b2,c3,d4,e5", "3d emoji of grapes|grapes, 3d style|grapes, a1, b2, c3, d4, 3d style|grapes")]
    [InlineData("glass", "food-drink", "", "3d emoji of a glass|glass, 3d style|glass, 3d style|glass")]
    [InlineData("keycap: #", "symbols", "keycap", "3d emoji of keycap of #|keycap of #, 3d style|keycap of #, 3d style|keycap of #")]
    [InlineData("man’s shoe", "objects", "", "3d emoji of a mans shoe|mans shoe, 3d style|mans shoe, 3d style|mans shoe")]
    [InlineData("waving hand: medium-dark skin tone", "people-body", "hand",
        "3d emoji of a waving hand with medium-dark skin tone|waving hand with medium-dark skin tone, 3d style|waving hand with medium-dark skin tone, 3d style|waving hand with medium-dark skin tone")]
    [InlineData("Japanese “here” button", "symbols", "", "3d emoji of japanese here button|japanese here button, 3d style|japanese here button, 3d style|japanese here button")]
    public void Captions_OfANameAndTags_AreFour(string name, string group, string tags, string expected) =>
        EmojiCaptions.Of("3d", new EmojiConcept("1", name, tags.Split(',', StringSplitOptions.RemoveEmptyEntries), group, "", "", "1")).ShouldBe(expected.Split('|'));

    [Theory]
    [InlineData("Japanese “free of charge” button", "japanese-free-of-charge-button")]
    [InlineData("twelve o’clock", "twelve-oclock")]
    [InlineData("piñata", "pinata")]
    [InlineData("ON! arrow", "on-arrow")]
    [InlineData("woman & man: (both)", "woman-and-man-both")]
    public void Slug_OfAName_IsPlain(string name, string expected) => EmojiNames.Slug(name).ShouldBe(expected);

    [Fact]
    public void Source_RendersInPartsAndKeepsThemForAResumedRun()
    {
        var renderer = new Recorder(_folder.Path);
        var source = new EmojiSource([Noto], 4);
        var sources = new JsonArray();
        JobContext Context(bool resume) => new(new RunFolder(_folder.File("run")), resume, _ => { }, CancellationToken.None);

        var first = source.Read(renderer, Context(false), sources, Stopwatch.StartNew()).ToArray();
        var second = source.Read(renderer, Context(true), [], Stopwatch.StartNew()).ToArray();

        renderer.Calls.ShouldBe(1);
        first.Select(p => p.Pixels.Span[0]).ShouldBe([(byte)0, (byte)1, (byte)2, (byte)3]);
        second.Select(p => p.Line.ToJsonString()).ShouldBe(first.Select(p => p.Line.ToJsonString()));
        first.Select(p => (p.Key, p.IsJudged)).ShouldBe([("noto2665", true), ("noto1F34E", true), ("noto1F44B", true), ("noto1F44B", false)]);
        sources[0]!["licence"]!.GetValue<string>().ShouldBe("Apache-2.0");
    }

    [Fact]
    public void Node_RendersDrawings_OnWhiteAndTheSameEachTime()
    {
        var renderer = NodeEmojiRenderer.Install(Repository.PathOf("artifacts", "emoji"));
        EmojiDrawing Drawing(string body) => new(
            new EmojiConcept("1", "x", [], "objects", "", "", "1"), $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8" width="32" height="32">{body}</svg>""", null);
        EmojiDrawing[] drawings = [Drawing("""<rect width="4" height="8" fill="#f00"/>"""), Drawing("")];

        var bytes = renderer.Render(drawings, 16, CancellationToken.None);

        bytes[..3].ShouldBe([255, 0, 0]);
        bytes[45..48].ShouldBe([255, 255, 255]);
        bytes[(16 * 16 * 3)..].ShouldAllBe(b => b == 255);
        renderer.Render(drawings, 16, CancellationToken.None).ShouldBe(bytes);
        Should.Throw<DataException>(() => renderer.Render([drawings[0], Drawing("<no") with { }], 16, CancellationToken.None)).Message.ShouldContain("picture 1");
    }

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(path))!);
        File.WriteAllText(_folder.File(path), text);
    }

    /// <summary>Gives each drawing its number as its colour.</summary>
    private sealed class Recorder(string packages) : IEmojiRenderer
    {
        public string Packages => packages;

        public int Calls { get; private set; }

        public byte[] Render(IReadOnlyList<EmojiDrawing> drawings, int side, CancellationToken cancel)
        {
            Calls++;
            return [.. drawings.SelectMany((_, i) => Enumerable.Repeat((byte)i, side * side * 3))];
        }
    }
}
