using Mesh.Testing;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Runs;

public sealed class CheckpointStoreTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("state.safetensors")]
    [InlineData("state.json")]
    [InlineData("manifest.json")]
    public void Newest_WithAFileCutOff_TakesTheOneBefore(string file)
    {
        var store = WithTwo();
        var path = Path.Combine(Step(2), file);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^1]);
        var refused = new List<string>();

        store.Newest((folder, _) => refused.Add(folder))!.State.Step.ShouldBe(1);

        refused.ShouldBe([Step(2)]);
    }

    [Theory]
    [InlineData("state.safetensors")]
    [InlineData("state.json")]
    [InlineData("manifest.json")]
    public void Newest_WithAFileMissing_TakesTheOneBefore(string file)
    {
        var store = WithTwo();
        File.Delete(Path.Combine(Step(2), file));

        store.Newest()!.State.Step.ShouldBe(1);
    }

    [Fact]
    public void Newest_WithABitChanged_TakesTheOneBeforeAndSaysWhy()
    {
        var store = WithTwo();
        var path = Path.Combine(Step(2), "state.safetensors");
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
        var reason = "";

        store.Newest((_, why) => reason = why)!.State.Step.ShouldBe(1);

        reason.ShouldContain("hash");
    }

    [Fact]
    public void Newest_BesideAnUnfinishedFolder_DoesNotSeeIt()
    {
        var store = WithTwo();
        Directory.Move(Step(2), _folder.File("checkpoints/.part-dead"));

        store.Newest()!.State.Step.ShouldBe(1);
        Write(store, 3);
        Directory.Exists(_folder.File("checkpoints/.part-dead")).ShouldBeFalse("the next write clears up after a killed one");
    }

    [Fact]
    public void Write_ThatFails_LeavesTheOnesBeforeAndNoRest()
    {
        var store = WithTwo();

        Should.Throw<IOException>(() => store.Write(State(3), Failing(), 2));

        store.Newest()!.State.Step.ShouldBe(2);
        Directory.EnumerateFileSystemEntries(_folder.File("checkpoints")).Count().ShouldBe(2);
    }

    [Fact]
    public void Write_BeyondWhatIsKept_RemovesTheOldest()
    {
        var store = WithTwo();

        Write(store, 3);

        Directory.EnumerateDirectories(_folder.File("checkpoints")).Order(StringComparer.Ordinal).ShouldBe([Step(2), Step(3)]);
    }

    [Fact]
    public void Newest_OfNothing_IsNull() => new RunFolder(_folder.Path).Checkpoints.Newest().ShouldBeNull();

    private static IEnumerable<KeyValuePair<string, Tensor>> Failing()
    {
        yield return new("a", zeros(3));
        throw new IOException("no space left on device");
    }

    private static RunState State(long step) => new(step, 4 * step, 1.5, step, [step], [1, 2], [0, 4 * step], new TickSums(0, 0, [], new StepTimes(0, 0, 0, 0, 0)));

    private static void Write(CheckpointStore store, long step) => store.Write(State(step), [new("a", full(3, (float)step))], keep: 2);

    private CheckpointStore WithTwo()
    {
        var store = new RunFolder(_folder.Path).Checkpoints;
        Write(store, 1);
        Write(store, 2);
        return store;
    }

    private string Step(long step) => _folder.File($"checkpoints/step-{step:D10}");
}
