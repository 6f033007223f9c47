using Mesh.Models.Weights;
using Mesh.Training.Configuration;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;

namespace Mesh.Training.Tests.Jobs;

public sealed class ProgressiveJobTests : IDisposable
{
    private const string ThreeRounds = """
        {teacher: runs/flow/result, data: data, side: 16, steps: 4, guidance: 1.5,
         train: {batch: 4, images: 36, rate: 0.003, tick_steps: 1, checkpoint_steps: 2, sample_steps: 3, keep_checkpoints: 9}}
        """;

    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public void Progressive_InRounds_HalvesItsStepsAndEndsAsAModel()
    {
        WithTeacher();

        var events = _shop.Run("progressive", ThreeRounds);

        events.OfType<TickPassed>().Select(t => t.Losses["steps"]).ShouldBe([4, 4, 4, 2, 2, 2, 1, 1, 1]);
        events.OfType<SamplesWritten>().Select(s => s.Measures["steps"]).ShouldBe([4, 2, 1]);
        ModelFolder.Open(events.OfType<RunFinished>().Single().Result).Missing.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)] // between two rounds
    [InlineData(7)]
    public void Progressive_StoppedAndResumed_EndsWithTheBitsOfAnUninterruptedOne(long stop)
    {
        WithTeacher();
        _shop.Run("progressive", ThreeRounds, "whole");
        using var cancel = new CancellationTokenSource();

        Should.Throw<OperationCanceledException>(() => _shop.Run("progressive", ThreeRounds, "parts", cancel: cancel.Token, also: e =>
        {
            if (e is TickPassed tick && tick.Step == stop)
                cancel.Cancel();
        }));
        _shop.Run("progressive", ThreeRounds, "parts", resume: true);

        Hash("parts").ShouldBe(Hash("whole"));
    }

    [Fact]
    public void Progressive_OfOneRound_ComesNearerToItsTeacher()
    {
        WithTeacher();
        // The teacher is guided away from where it was trained to go, so that the student has something to learn.
        const string Yaml = """
            {teacher: runs/flow/result, data: data, side: 16, steps: 1, guidance: 4,
             train: {batch: 8, images: 640, rate: 0.01, rate_shape: cosine, average_decay: 0.8, tick_steps: 20, checkpoint_steps: 80, sample_steps: 1}}
            """;

        var off = _shop.Run("progressive", Yaml).OfType<SamplesWritten>().Select(s => s.Measures["off_teacher"]).ToArray();

        off[^1].ShouldBeLessThan(0.5 * off[0]);
    }

    [Theory]
    [InlineData("steps: 6", "steps")]
    [InlineData("steps: 1", "steps")]
    [InlineData("steps: 8, end_steps: 16", "steps")]
    [InlineData("guidance: -1", "guidance")]
    [InlineData("teacher: elsewhere", "teacher")]
    public void Parse_OfABadSpecification_NamesTheField(string given, string field)
    {
        var teacher = given.StartsWith("teacher", StringComparison.Ordinal) ? "" : "teacher: data, ";

        Should.Throw<JobConfigException>(() => JobPlans.Parse("progressive", $"{{{teacher}data: data, {given}, train: {{images: 8}}}}", _shop.Root))
            .Faults.Select(f => f.Field).ShouldContain(field);
    }

    private void WithTeacher()
    {
        _shop.WithAutoencoder();
        _shop.Run("flow", Workshop.Flow());
    }

    private string Hash(string run) => FileHash.Sha256(_shop.Path($"runs/{run}/checkpoints/step-0000000009/state.safetensors"));
}
