using Mesh.Cli.Bench;
using Mesh.Testing;
using TorchSharp;

namespace Mesh.Cli.Tests.Bench;

public sealed class BenchCommandTests
{
    [Fact]
    public void Measure_TinyDecoder_CountsWhatItsLayersDo()
    {
        var result = ModelBench.Measure(ModelSubject.All.Single(x => x.Name == "tiny"), torch.ScalarType.Float32, runs: 1, CancellationToken.None);

        // 0.14 TFLOP at 512 px is what others count for this decoder.
        result.Operations.ShouldBeInRange(0.135e12, 0.145e12);
        result.Seconds.ShouldBeGreaterThan(0);
    }

    [Theory]
    [InlineData("bench", "model", "gpt")]
    [InlineData("bench", "model", "text", "--dtype", "int4")]
    public async Task Bench_UnknownWord_IsAUsageFault(params string[] words)
    {
        using var error = new StringWriter();

        (await CommandTree.RunAsync(words, TextWriter.Null, error).DefaultTimeout()).ShouldBe(ExitCode.Usage);

        error.ToString().ShouldContain(words[^1]);
    }

    [Fact]
    public async Task Bench_NoRuns_IsRefused()
    {
        using var error = new StringWriter();

        (await CommandTree.RunAsync(["bench", "model", "text", "--runs", "0"], TextWriter.Null, error).DefaultTimeout()).ShouldNotBe(ExitCode.Done);

        error.ToString().ShouldContain("at least 1");
    }
}
