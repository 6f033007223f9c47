using System.Text.Json;
using Mesh.Imaging;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;
using Mesh.Models.Weights;
using Mesh.Testing;

namespace Mesh.Models.Tests.Pipelines;

/// <summary>The built-in model: a small real checkpoint in an ordinary folder, loaded by the path of every other.</summary>
public sealed class EmojiModelTests : IDisposable
{
    private const int Side = 64;

    // The card's pictures were made by another library in fp32; whole bytes differ now and then.
    private const double MostMeanDifference = 1;

    private static readonly string Folder = Repository.PathOf("deploy", "models", "emoji");
    private readonly TextToImagePipeline _pipeline = TextToImagePipeline.Load(new ModelDescription(Folder));

    public void Dispose() => _pipeline.Dispose();

    [Fact]
    public void Generate_TheCardsPrompts_DrawsItsSampleGridAgain()
    {
        using var card = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "samples.json")));
        var images = card.RootElement.GetProperty("images").EnumerateArray().ToArray();
        var columns = card.RootElement.GetProperty("columns").GetInt32();
        var expected = ImageCodec.Decode(File.ReadAllBytes(Path.Combine(Folder, "samples.png")));

        var pictures = _pipeline.Generate(new TextToImageRequest
        {
            Prompts = [.. images.Select(i => i.GetProperty("prompt").GetString()!)],
            Seeds = [.. images.Select(i => i.GetProperty("seed").GetInt64())],
        });

        var grid = Image.Filled(expected.Width, expected.Height, 0, 0, 0);
        for (var i = 0; i < pictures.Count; i++)
            grid.Paste(new Image(Side, Side, pictures[i].Rgb), i % columns * Side, i / columns * Side);
        var difference = grid.Pixels.Zip(expected.Pixels, (a, b) => Math.Abs(a - b)).Average();
        if (Environment.GetEnvironmentVariable("MESH_TEST_PICTURES") is { } folder)
            File.WriteAllBytes(Path.Combine(folder, "emoji-grid.png"), ImageCodec.Encode(grid, ImageFormat.Png));
        difference.ShouldBeLessThanOrEqualTo(MostMeanDifference);
    }

    [Fact]
    public void Generate_InAnyCompany_GivesTheSameBytes()
    {
        string[] prompts = ["3d emoji of a fox", "3d emoji of a red heart", "3d emoji of a house", "a", "", "3d emoji of a ghost", "3d emoji of a sun", "flat emoji of a brick"];
        var alone = prompts.Select((p, i) => Bytes([p], [i])[0]).ToArray();
        for (var size = 2; size <= prompts.Length; size++)
        {
            var together = Bytes(prompts[..size], [.. Enumerable.Range(0, size).Select(i => (long)i)]);
            for (var i = 0; i < size; i++)
                together[i].AsSpan().SequenceEqual(alone[i]).ShouldBeTrue($"picture {i} of {size}");
        }
    }

    [Fact]
    public void Generate_TwiceFromOneSeed_GivesTheSameBytes() =>
        Bytes(["3d emoji of a fox"], [7])[0].ShouldBe(Bytes(["3d emoji of a fox"], [7])[0]);

    [Fact]
    public void Generate_OtherSeedOrText_GivesAnotherPicture()
    {
        var fox = Bytes(["3d emoji of a fox"], [1])[0];

        Bytes(["3d emoji of a fox"], [2])[0].ShouldNotBe(fox);
        Bytes(["3d emoji of a sun"], [1])[0].ShouldNotBe(fox);
    }

    [Fact]
    public void Generate_OtherSizeStepsAndGuidance_AreTaken()
    {
        var picture = _pipeline.Generate(new TextToImageRequest
        {
            Prompts = ["3d emoji of a fox"],
            Seeds = [3],
            NegativePrompt = "face",
            Width = 96,
            Height = 64,
            Steps = 2,
            Guidance = 1.5,
        }).ShouldHaveSingleItem();

        (picture.Width, picture.Height, picture.Rgb.Length).ShouldBe((96, 64, 96 * 64 * 3));
    }

    [Theory]
    [InlineData(65, 64)]
    [InlineData(64, 0)]
    public void Generate_SizeThatDoesNotFit_IsRefused(int width, int height) => Should.Throw<ArgumentException>(
        () => _pipeline.Generate(new TextToImageRequest { Prompts = ["a"], Seeds = [1], Width = width, Height = height }));

    [Fact]
    public void Generate_Cancelled_Stops()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();

        Should.Throw<OperationCanceledException>(() => _pipeline.Generate(new TextToImageRequest { Prompts = ["a"], Seeds = [1] }, source.Token));
    }

    [Fact]
    public void Recognise_ItsFolder_SaysWhatDecided()
    {
        var found = new ModelNetworks(new ModelDescription(Folder)).Recognise();

        found.Recipe.Name.ShouldBe("instaflow");
        found.Reason.ShouldContain("RectifiedFlowPipeline");
    }

    [Fact]
    public void Load_MissingUNet_NamesIt()
    {
        using var copy = new TempFolder();
        foreach (var file in Directory.GetFiles(Folder, "*.json", SearchOption.AllDirectories))
        {
            var target = copy.File(Path.GetRelativePath(Folder, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }

        Should.Throw<WeightFileException>(() => TextToImagePipeline.Load(new ModelDescription(copy.Path))).Message.ShouldContain("unet");
    }

    private byte[][] Bytes(string[] prompts, long[] seeds) =>
        [.. _pipeline.Generate(new TextToImageRequest { Prompts = prompts, Seeds = seeds }).Select(p => p.Rgb)];
}
