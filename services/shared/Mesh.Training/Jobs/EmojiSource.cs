using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Training.Data;
using Mesh.Training.Data.Emoji;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary>Emoji in several styles, rendered in parts that a resumed run need not render again.</summary>
public sealed class EmojiSource(IReadOnlyList<EmojiStyle> styles, int side)
{
    private const int PartSize = 512;
    private const string PackageFolder = "packages";
    private const string DrawnFolder = "drawn";

    /// <summary>Installs, renders and captions.</summary>
    /// <param name="context">The job's context.</param>
    /// <param name="sources">Takes what each style came from.</param>
    /// <param name="clock">Runs since the job began.</param>
    public IEnumerable<NewPicture> Read(JobContext context, JsonArray sources, Stopwatch clock)
    {
        context.Folder.Check();
        return Read(NodeEmojiRenderer.Install(Path.Combine(context.Folder.Path, PackageFolder), context.Cancel), context, sources, clock);
    }

    /// <summary>The same with a given renderer.</summary>
    public IEnumerable<NewPicture> Read(IEmojiRenderer renderer, JobContext context, JsonArray sources, Stopwatch clock)
    {
        var names = EmojiNames.Read(Path.Combine(renderer.Packages, "emojibase-data"));
        var all = styles.Select(style => (Style: style, Art: EmojiArt.Read(renderer.Packages, style, names, side))).ToArray();
        var total = all.Sum(a => a.Art.Drawings.Count);
        var pictures = new List<NewPicture>(total);
        foreach (var (style, art) in all)
        {
            sources.Add(new JsonObject
            {
                ["style"] = style.Key, ["package"] = style.Package, ["version"] = art.Version, ["licence"] = style.Licence, ["credit"] = style.Credit,
                ["drawings"] = art.Drawings.Count, ["flags_left_out"] = art.Flags, ["nameless_left_out"] = art.Nameless, ["doubles_left_out"] = art.Doubles,
            });
            foreach (var part in art.Drawings.Chunk(PartSize))
            {
                context.Cancel.ThrowIfCancellationRequested();
                var bytes = Drawn(renderer, context, part);
                pictures.AddRange(part.Select((d, i) => Picture(style, d.Concept, bytes.AsMemory(i * side * side * 3, side * side * 3))));
                var seconds = clock.Elapsed.TotalSeconds;
                context.Tell(new TickPassed(
                    pictures.Count, total, pictures.Count, new Dictionary<string, double>(), 0, 0, pictures.Count / seconds,
                    seconds / pictures.Count * (total - pictures.Count), seconds, new StepTimes(seconds, 0, 0, 0, 0)));
            }
        }

        return pictures;
    }

    /// <summary>Removes what only a run that is not finished needs.</summary>
    public static void Forget(RunFolder folder)
    {
        foreach (var name in new[] { DrawnFolder, PackageFolder }.Select(n => Path.Combine(folder.Path, n)).Where(Directory.Exists))
            Directory.Delete(name, recursive: true);
    }

    private static NewPicture Picture(EmojiStyle style, EmojiConcept concept, ReadOnlyMemory<byte> pixels)
    {
        var line = new JsonObject
        {
            ["style"] = style.Key, ["licence"] = style.Licence, ["hex"] = concept.Hex, ["name"] = concept.Name, ["tags"] = Strings(concept.Tags),
            ["group"] = concept.Group, ["sub"] = concept.Subgroup, ["tone"] = concept.Tone, ["captions"] = Strings(EmojiCaptions.Of(style.Word, concept)),
        };
        return new NewPicture(pixels, line, style.Key + concept.Base, IsJudged: concept.Tone.Length == 0);
    }

    private static JsonArray Strings(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode)t)]);

    // A part's file is called by what is drawn in it, so that it cannot be taken for another.
    private byte[] Drawn(IEmojiRenderer renderer, JobContext context, EmojiDrawing[] part)
    {
        var told = string.Join('\n', part.Select(NodeEmojiRenderer.Line).Prepend(side.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        var path = Path.Combine(context.Folder.Path, DrawnFolder, DataManifest.Hash(Encoding.UTF8.GetBytes(told)) + ".bin");
        if (context.Resume && File.Exists(path) && new FileInfo(path).Length == (long)part.Length * side * side * 3)
            return File.ReadAllBytes(path);
        var bytes = renderer.Render(part, side, context.Cancel);
        context.Folder.WriteWhole(path, bytes);
        return bytes;
    }
}
