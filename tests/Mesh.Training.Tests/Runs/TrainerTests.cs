using System.Text.Json;
using Mesh.Models.Weights;
using Mesh.Testing;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Runs;

public sealed class TrainerTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    public void Run_StoppedAndResumed_EndsWithTheBitsOfAnUninterruptedOne(long stop)
    {
        Run("whole", 10, resume: false);
        RunAndStop("parts", 10, stop);

        Run("parts", 10, resume: true);

        TensorHash("parts", 10).ShouldBe(TensorHash("whole", 10));
        StatsOf("parts").Select(Losses).ShouldBe(StatsOf("whole").Select(Losses));
    }

    [Fact]
    public void Run_ResumedFromAnOlderCheckpoint_MakesTheSameStepsAgain()
    {
        Run("whole", 10, resume: false);
        RunAndStop("killed", 10, 8);
        Directory.Delete(_folder.File("killed/checkpoints/step-0000000008"), recursive: true); // as if killed between checkpoints

        var events = Run("killed", 10, resume: true);

        events.OfType<RunStarted>().Single().Step.ShouldBe(6);
        TensorHash("killed", 10).ShouldBe(TensorHash("whole", 10));
        StatsOf("killed").Select(s => s.GetProperty("step").GetInt64()).ShouldBe([2, 4, 6, 8, 10]);
    }

    [Fact]
    public void Run_OneBatchAgainAndAgain_FitsIt()
    {
        using var task = new ToyTask { Fixed = true };
        using var trainer = new Trainer<ToyBatch>(task, ToyTask.Config(300) with { CheckpointSteps = 1000 });

        trainer.Run(new RunFolder(_folder.File("one")), resume: false);

        var losses = StatsOf("one").Select(s => s.GetProperty("losses").GetProperty("loss").GetDouble()).ToArray();
        losses[^1].ShouldBeLessThan(0.02 * losses[0]);
    }

    [Fact]
    public void Run_Cancelled_StopsBeforeTheNextStepAndKeepsTheLast()
    {
        var events = RunAndStop("cancelled", 10, 4);

        events.OfType<CheckpointWritten>().Last().Step.ShouldBe(4);
        new RunFolder(_folder.File("cancelled")).Checkpoints.Newest()!.State.Step.ShouldBe(4);
        File.Exists(_folder.File("cancelled/result/done")).ShouldBeFalse();
    }

    [Fact]
    public void Run_WhenDone_ExportsOnceAndTellsHowFarItCame()
    {
        var events = Run("done", 5, resume: false);

        File.Exists(_folder.File("done/result/done")).ShouldBeTrue();
        events.OfType<TickPassed>().Select(t => t.Step).ShouldBe([2, 4, 5]);
        var last = events.OfType<TickPassed>().Last();
        last.Images.ShouldBe(20);
        last.SecondsLeft.ShouldBe(0);
        last.Losses.Keys.ShouldBe(["loss", "off"]);
        last.Times.Total.ShouldBeGreaterThan(0);
        events.Last().ShouldBeOfType<RunFinished>();
    }

    [Fact]
    public void Run_FreshInAFolderWithCheckpoints_IsRefused()
    {
        Run("twice", 4, resume: false);

        Should.Throw<TrainingException>(() => Run("twice", 4, resume: false)).Message.ShouldContain("resume");
    }

    [Fact]
    public void Run_WithGradientsThatAreNoNumbers_FailsAndKeepsTheWeights()
    {
        using var task = new ToyTask(double.NaN);
        using var before = nn.utils.parameters_to_vector(task.Net.parameters()).detach().clone();
        using var trainer = new Trainer<ToyBatch>(task, ToyTask.Config(50) with { CheckpointSteps = 100 });

        Should.Throw<TrainingException>(() => trainer.Run(new RunFolder(_folder.File("nan")), resume: false)).Message.ShouldContain("not finite");

        using var after = nn.utils.parameters_to_vector(task.Net.parameters()).detach();
        after.eq(before).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Run_WhoseLeaseIsLost_WritesNothingMore()
    {
        var mine = true;
        using var task = new ToyTask();
        using var trainer = new Trainer<ToyBatch>(task, ToyTask.Config(10), e => mine &= e is not CheckpointWritten { Step: 3 });
        var folder = new RunFolder(_folder.File("fenced"), () =>
        {
            if (!mine)
                throw new TrainingException("another worker has this run");
        });

        Should.Throw<TrainingException>(() => trainer.Run(folder, resume: false)).Message.ShouldContain("another worker");

        folder.Checkpoints.Newest()!.State.Step.ShouldBe(3);
        StatsOf("fenced").Count.ShouldBe(1);
    }

    [Fact]
    public void Rehearse_ChangesAndWritesNothing()
    {
        using var task = new ToyTask();
        using var before = nn.utils.parameters_to_vector(task.Net.parameters()).detach().clone();
        using var trainer = new Trainer<ToyBatch>(task, ToyTask.Config(10));

        var found = trainer.Rehearse();

        found.Parameters.ShouldBe((4 * 8) + 8 + 8 + 1);
        found.Steps.ShouldBe(10);
        found.Loss.ShouldBeGreaterThan(0);
        found.GradientNorm.ShouldBeGreaterThan(0);
        using var after = nn.utils.parameters_to_vector(task.Net.parameters()).detach();
        after.eq(before).all().item<bool>().ShouldBeTrue();
        task.Net.parameters().Count(p => p.grad is not null).ShouldBe(0);
    }

    private List<TrainingEvent> Run(string name, long steps, bool resume)
    {
        var events = new List<TrainingEvent>();
        using var task = new ToyTask();
        using var trainer = new Trainer<ToyBatch>(task, ToyTask.Config(steps), events.Add);
        trainer.Run(new RunFolder(_folder.File(name)), resume);
        return events;
    }

    private List<TrainingEvent> RunAndStop(string name, long steps, long stop)
    {
        var events = new List<TrainingEvent>();
        using var cancel = new CancellationTokenSource();
        using var task = new StoppingTask(new ToyTask(), stop, cancel);
        using var trainer = new Trainer<ToyBatch>(task, ToyTask.Config(steps), events.Add);
        Should.Throw<OperationCanceledException>(() => trainer.Run(new RunFolder(_folder.File(name)), resume: false, cancel.Token));
        return events;
    }

    private string TensorHash(string name, long step) => FileHash.Sha256(_folder.File($"{name}/checkpoints/step-{step:D10}/state.safetensors"));

    private List<JsonElement> StatsOf(string name) =>
        [.. File.ReadLines(_folder.File($"{name}/stats.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.Clone())];

    private static (long, double) Losses(JsonElement line) =>
        (line.GetProperty("step").GetInt64(), line.GetProperty("losses").GetProperty("loss").GetDouble());

    /// <summary>Asks to stop in the middle of a step.</summary>
    private sealed class StoppingTask(ToyTask inner, long stop, CancellationTokenSource cancel) : ITrainingTask<ToyBatch>
    {
        private long _steps;

        public IReadOnlyDictionary<string, nn.Module> Networks => inner.Networks;

        public long[] Position
        {
            get => inner.Position;
            set => inner.Position = value;
        }

        public ToyBatch NextBatch(int count, Mesh.Models.Noise.TorchGenerator random) => inner.NextBatch(count, random);

        public LossParts Loss(ToyBatch batch)
        {
            if (++_steps == stop)
                cancel.Cancel();
            return inner.Loss(batch);
        }

        public Look? Sample() => inner.Sample();

        public void Export(string folder) => inner.Export(folder);

        public void Dispose() => inner.Dispose();
    }
}
