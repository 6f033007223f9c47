namespace Mesh.Cli.Tests.Bench;

public sealed class TrainingBenchTests
{
    [Fact]
    public async Task Metric_AtASmallSize_SaysBothRatiosBesideThePapers()
    {
        var said = await RunAsync("bench", "metric", "--side", "64", "--runs", "1", "--augmentations", "bgco", "--backbone", "alex");

        said.ShouldContain("E-LatentLPIPS is ");
        said.ShouldContain("9.7 times");
        said.ShouldContain("forward and backward");
        said.ShouldContain("memory over what was held");
    }

    [Fact]
    public async Task Jobs_OfEveryKind_SayHowAStepSplits()
    {
        var said = await RunAsync("bench", "jobs", "--batch", "2", "--steps", "1");

        foreach (var kind in new[] { "autoencoder", "flow", "pairs", "distil", "lora", "scorer" })
            said.Split('\n').Count(line => line.Contains($" {kind} ", StringComparison.Ordinal) && line.Contains('%', StringComparison.Ordinal)).ShouldBe(1, kind);
    }

    [Theory]
    [InlineData("metric", "--side", "100")]
    [InlineData("metric", "--runs", "0")]
    [InlineData("metric", "--augmentations", "dreams")]
    [InlineData("jobs", "--batch", "0")]
    public async Task Bench_WithABadOption_SaysWhich(string what, string option, string value)
    {
        using var error = new StringWriter();

        (await CommandTree.RunAsync(["bench", what, option, value], TextWriter.Null, error).WaitAsync(TimeSpan.FromMinutes(1))).ShouldBe(ExitCode.Failed);
        error.ToString().ShouldContain(value);
    }

    private static async Task<string> RunAsync(params string[] words)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        (await CommandTree.RunAsync(words, output, error).WaitAsync(TimeSpan.FromMinutes(5))).ShouldBe(ExitCode.Done, error.ToString());
        return output.ToString();
    }
}
