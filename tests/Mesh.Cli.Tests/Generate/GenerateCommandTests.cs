using Mesh.Imaging;
using Mesh.Testing;

namespace Mesh.Cli.Tests.Generate;

public sealed class GenerateCommandTests : IDisposable
{
    private static readonly string Model = Repository.PathOf("deploy", "models", "emoji");
    private readonly TempFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Generate_OnePicture_WritesItWithWhatMadeIt()
    {
        var file = _folder.File("fox.png");

        (await Run("generate", "--local", Model, "3d emoji of a fox", "--seed", "3", "--out", file)).ShouldBe(ExitCode.Done, _error.ToString());

        var bytes = File.ReadAllBytes(file);
        var picture = ImageCodec.Decode(bytes);
        (picture.Width, picture.Height).ShouldBe((64, 64));
        var note = ImageCodec.ReadText(bytes).ShouldHaveSingleItem();
        note.Keyword.ShouldBe("parameters");
        note.Text.ShouldStartWith("3d emoji of a fox\n");
        note.Text.ShouldContain("Seed: 3");
        _output.ToString().ShouldContain("recipe instaflow");
    }

    [Fact]
    public async Task Generate_Several_NumbersThemAndCountsSeedsUp()
    {
        (await Run("generate", "--local", Model, "3d emoji of a sun", "--seed", "5", "--count", "2", "--size", "64x96", "--out", _folder.File("sun.webp")))
            .ShouldBe(ExitCode.Done, _error.ToString());
        (await Run("generate", "--local", Model, "3d emoji of a sun", "--seed", "6", "--size", "64x96", "--out", _folder.File("second.webp"))).ShouldBe(ExitCode.Done);

        var second = File.ReadAllBytes(_folder.File("sun-2.webp"));
        ImageCodec.Decode(second).Height.ShouldBe(96);
        second.ShouldBe(File.ReadAllBytes(_folder.File("second.webp")));
        File.ReadAllBytes(_folder.File("sun-1.webp")).ShouldNotBe(second);
    }

    [Fact]
    public async Task Generate_DescribedByLines_TakesTheirRecipe()
    {
        File.WriteAllText(_folder.File("two.model"), $"base: {Model}\nrecipe: 2-rf\nsteps: 2\n");

        (await Run("generate", "--local", _folder.File("two.model"), "3d emoji of a sun", "--seed", "1", "--out", _folder.File("a.png"))).ShouldBe(ExitCode.Done, _error.ToString());

        ImageCodec.ReadText(File.ReadAllBytes(_folder.File("a.png")))[0].Text.ShouldContain("Steps: 2, Sampler: 2-rf, CFG scale: 1.5");
    }

    [Fact]
    public async Task Generate_NoSuchModel_IsOneLineAndOne()
    {
        (await Run("generate", "--local", "/no/such/model", "a cat")).ShouldBe(ExitCode.Failed);

        _error.ToString().Trim().ShouldStartWith("mesh: /no/such/model");
        _error.ToString().Trim().ShouldNotContain("\n");
    }

    [Theory]
    [InlineData("--out", "picture.gif", "picture.gif")]
    [InlineData("--size", "9x9x9", "size")]
    [InlineData("--size", "65", "65 x 65")]
    [InlineData("--recipe", "magic", "magic")]
    [InlineData("--lora", "/no/such/lora.safetensors", "lora.safetensors")]
    [InlineData("--format", "jpeg", "jpeg")]
    [InlineData("--model", "sd", "--model needs a mesh")]
    [InlineData("--address", "http://here", "--address needs a mesh")]
    public async Task Generate_WrongValue_FailsByName(string option, string value, string fault)
    {
        (await Run(["generate", "--local", Model, "a cat", option, value, .. option == "--out" ? Array.Empty<string>() : ["--out", _folder.File("a.png")]])).ShouldBe(ExitCode.Failed);

        _error.ToString().ShouldContain(fault);
    }

    [Theory]
    [InlineData("generate")]
    [InlineData("generate", "a cat", "--format", "gif")]
    [InlineData("generate", "--local", "x", "a cat", "--count", "0")]
    [InlineData("generate", "--local", "x", "a cat", "--steps", "many")]
    [InlineData("generate", "--local", "x", "a cat", "--dtype", "fp8")]
    [InlineData("generate", "--local", "x", "a cat", "--sauce", "1")]
    [InlineData("no-such-command")]
    public async Task Run_WrongCommandLine_IsTwo(params string[] words)
    {
        (await Run(words)).ShouldBe(ExitCode.Usage);

        _error.ToString().ShouldStartWith("mesh: ");
    }

    [Fact]
    public async Task Generate_PromptWithAtSign_IsNoFile()
    {
        (await Run("generate", "--local", Model, "@fox", "--seed", "1", "--out", _folder.File("at.png"))).ShouldBe(ExitCode.Done, _error.ToString());
    }

    [Fact]
    public async Task Generate_Cancelled_IsOneHundredAndThirty()
    {
        using var source = new CancellationTokenSource();
        await source.CancelAsync();

        (await CommandTree.RunAsync(["generate", "--local", Model, "a"], _output, _error, source.Token).DefaultTimeout()).ShouldBe(ExitCode.Cancelled);
    }

    private Task<int> Run(params string[] words) => CommandTree.RunAsync(words, _output, _error).DefaultTimeout();
}
