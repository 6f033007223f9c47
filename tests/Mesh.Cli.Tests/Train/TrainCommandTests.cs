using System.Text.Json;
using Mesh.Models.Weights;
using Mesh.Testing;
using Mesh.Training.Runs;
using Mesh.Training.Tests.Jobs;

namespace Mesh.Cli.Tests.Train;

public sealed class TrainCommandTests : IDisposable
{
    private readonly Workshop _shop = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose()
    {
        _shop.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    [Theory]
    [InlineData("{data: data, train: {images: 8, rate: -1}}", "train.rate: -1 is not above 0")]
    [InlineData("{data: elsewhere, train: {images: 8}}", "data: ")]
    [InlineData("{data: data, train: {images: many}}", "train.images: 'many' is not a whole number")]
    [InlineData("{data: data, train: {images: 8}, nets: 1}", "nets: unknown field")]
    public async Task Train_BadConfig_NamesTheFieldInOneLineAndWritesNothing(string yaml, string fault)
    {
        (await Train("autoencoder", yaml, "runs/run")).ShouldBe(ExitCode.Failed);

        _error.ToString().Trim().ShouldStartWith("mesh: ");
        _error.ToString().ShouldContain(fault);
        _error.ToString().Trim().ShouldNotContain("\n");
        Directory.Exists(_shop.Path("runs/run")).ShouldBeFalse();
    }

    [Fact]
    public async Task Train_UnknownKind_IsAUsageFault() => (await Train("dreaming", "{}", "runs/run")).ShouldBe(ExitCode.Usage);

    [Fact]
    public async Task Train_DryRun_SaysWhatWouldBeAndWritesNothing()
    {
        (await Train("autoencoder", Workshop.Autoencoder, "runs/run", "--dry-run")).ShouldBe(ExitCode.Done, _error.ToString());

        _output.ToString().ShouldContain("flip: 0.5"); // a default, written out
        _output.ToString().ShouldContain("6 steps of 4");
        _output.ToString().ShouldContain("first loss");
        Directory.Exists(_shop.Path("runs/run")).ShouldBeFalse();
    }

    [Fact]
    public async Task Train_ToItsEnd_WritesStatisticsSamplesAndTheProduct()
    {
        (await Train("autoencoder", Workshop.Autoencoder, "runs/run")).ShouldBe(ExitCode.Done, _error.ToString());

        Steps("run").ShouldBe([2, 4, 6]);
        Directory.GetFiles(_shop.Path("runs/run/samples")).Select(Path.GetFileName).Order().ShouldBe(["00000003.png", "00000006.png"]);
        File.ReadLines(_shop.Path("runs/run/samples.jsonl")).Count().ShouldBe(2);
        File.Exists(_shop.Path("runs/run/result/vae/config.json")).ShouldBeTrue();
        _output.ToString().ShouldContain("[####################] 6/6");
        _output.ToString().ShouldContain("images/s");
        _output.ToString().ShouldContain("done in ");
    }

    [Fact]
    public async Task Train_WhereARunLies_GoesOnOnlyWhenAsked()
    {
        (await Train("autoencoder", Workshop.Autoencoder, "runs/run")).ShouldBe(ExitCode.Done, _error.ToString());

        (await Train("autoencoder", Workshop.Autoencoder, "runs/run")).ShouldBe(ExitCode.Failed);
        _error.ToString().ShouldContain("holds checkpoints of a run: resume it, or use another folder");
        (await Train("autoencoder", Workshop.Autoencoder, "runs/run", "--resume")).ShouldBe(ExitCode.Done, _error.ToString());
        _output.ToString().ShouldContain("going on at step 6 of 6");
    }

    [Fact]
    public async Task Train_DiskFull_FailsWithItsReasonAndLeavesTheLastCheckpoint()
    {
        _shop.Run("autoencoder", Workshop.Autoencoder, "whole");
        RunSome("autoencoder", Workshop.Autoencoder, "full", resume: false, more: 2);
        var kept = _shop.Path("runs/full/checkpoints/step-0000000002");

        // 16 KiB hold every file but a checkpoint. Write-xor-execute maps code through files, which the limit would stop too.
        await using var child = ChildProgram.Start(
            "sh", ["-c", "trap '' XFSZ; ulimit -f 32; exec \"$@\"", "sh", "dotnet", .. Words("autoencoder", Workshop.Autoencoder, "runs/full", "--resume")],
            environment: new Dictionary<string, string> { ["DOTNET_EnableWriteXorExecute"] = "0", ["DOTNET_EnableDiagnostics"] = "0" });
        var code = await child.WaitForExitAsync();

        code.ShouldBe(ExitCode.Failed, child.Errors);
        child.Errors.Trim().ShouldStartWith("mesh: ");
        child.Errors.ShouldContain("too large", Case.Insensitive);
        Directory.GetDirectories(_shop.Path("runs/full/checkpoints")).ShouldBe([kept]);
        CheckpointStore.Verify(kept).ShouldBeNull();
        _shop.Run("autoencoder", Workshop.Autoencoder, "full", resume: true);
        Hash("full", 6).ShouldBe(Hash("whole", 6));
    }

    [Theory]
    [InlineData("autoencoder")]
    [InlineData("flow")]
    public async Task Train_Killed_LosesNoStepBeforeItsLastCheckpoint(string kind)
    {
        if (kind == "flow")
            _shop.WithAutoencoder();
        var yaml = (kind == "flow" ? Workshop.Flow() : Workshop.Autoencoder).Replace("images: 24", "images: 4000000", StringComparison.Ordinal);
        await using (var child = ChildProgram.Start("dotnet", Words(kind, yaml, "runs/killed")))
        {
            while (!(await child.ReadLineAsync()).EndsWith("step-0000000006", StringComparison.Ordinal))
            {
            }

            child.Kill();
            (await child.WaitForExitAsync()).ShouldBe(137);
        }

        var (start, end) = RunSome(kind, yaml, "killed", resume: true, more: 4);
        RunSome(kind, yaml, "whole", resume: false, more: end);

        start.ShouldBeGreaterThanOrEqualTo(6);
        Hash("killed", end).ShouldBe(Hash("whole", end));
        Steps("killed").ShouldBe(Steps("whole"));
    }

    /// <summary>Runs some steps and is then cancelled; the steps before and after.</summary>
    private (long Start, long End) RunSome(string kind, string yaml, string run, bool resume, long more)
    {
        using var cancel = new CancellationTokenSource();
        var start = 0L;
        Should.Throw<OperationCanceledException>(() => _shop.Run(kind, yaml, run, resume, e =>
        {
            if (e is RunStarted started)
                start = started.Step;
            if (e is TickPassed tick && tick.Step == start + more)
                cancel.Cancel();
        }, cancel.Token));
        return (start, start + more);
    }

    private long[] Steps(string run) =>
        [.. File.ReadLines(_shop.Path($"runs/{run}/stats.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("step").GetInt64())];

    private List<string> Words(string kind, string yaml, string run, params string[] more)
    {
        var config = _shop.Path($"{kind}.yaml");
        File.WriteAllText(config, yaml);
        return [Path.Combine(AppContext.BaseDirectory, "mesh.dll"), "train", kind, "--config", config, "--root", _shop.Root, "--out", _shop.Path(run), .. more];
    }

    private string Hash(string run, long step) => FileHash.Sha256(_shop.Path($"runs/{run}/checkpoints/step-{step:D10}/state.safetensors"));

    private Task<int> Train(string kind, string yaml, string run, params string[] more) =>
        CommandTree.RunAsync([.. Words(kind, yaml, run, more).Skip(1)], _output, _error).DefaultTimeout();
}
