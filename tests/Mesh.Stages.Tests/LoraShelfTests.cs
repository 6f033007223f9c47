using System.Collections.Concurrent;
using Mesh.Models.Lora;
using Mesh.Models.Weights;
using Mesh.Testing;
using TorchSharp;

namespace Mesh.Stages.Tests;

/// <summary>When a shelf reads files, and how often.</summary>
public sealed class LoraShelfTests
{
    private readonly ConcurrentDictionary<string, int> _reads = new();

    [Fact]
    public async Task Take_AFile_ReadsItAwayFromTheCallerAndOnce()
    {
        using var mayRead = new ManualResetEventSlim();
        using var shelf = Shelf(_ => mayRead.Wait(TimeoutExtensions.Default).ShouldBeTrue());

        var first = shelf.TakeAsync(["a"]);
        var second = shelf.TakeAsync(["a"]);
        (first.IsCompleted, second.IsCompleted).ShouldBe((false, false));
        mayRead.Set();
        using var one = await first.DefaultTimeout();
        using var two = await second.DefaultTimeout();
        shelf.Use([("a", 1)]);

        _reads["a"].ShouldBe(1);
    }

    [Fact]
    public async Task Take_AFileThatCannotBeRead_ThrowsAndIsReadAgain()
    {
        using var shelf = Shelf(key =>
        {
            if (_reads[key] == 1) throw new IOException("no such file");
        });

        await Should.ThrowAsync<IOException>(() => shelf.TakeAsync(["a"]).DefaultTimeout());
        (await shelf.TakeAsync(["a"]).DefaultTimeout()).Dispose();

        _reads["a"].ShouldBe(2);
    }

    [Fact]
    public async Task Files_BeyondTheShelf_GoUnlessTheyAreTakenOrMerged()
    {
        using var shelf = Shelf(_ => { });
        using var taken = await shelf.TakeAsync(["taken"]).DefaultTimeout();
        (await shelf.TakeAsync(["idle"]).DefaultTimeout()).Dispose();
        shelf.Use([("merged", 1)]);

        for (var i = 0; i < 20; i++) (await shelf.TakeAsync([$"{i}"]).DefaultTimeout()).Dispose();
        (await shelf.TakeAsync(["taken", "merged", "idle", "19"]).DefaultTimeout()).Dispose();

        (_reads["taken"], _reads["merged"], _reads["idle"], _reads["19"]).ShouldBe((1, 1, 2, 1));
    }

    private LoraShelf Shelf(Action<string> reading) => new(new Dictionary<string, torch.nn.Module>(), key =>
    {
        _reads.AddOrUpdate(key, 1, (_, before) => before + 1);
        reading(key);
        return LoraFile.Read(new NoWeights(), new Dictionary<string, torch.nn.Module>());
    });

    private sealed class NoWeights : IWeightSource
    {
        public IReadOnlyDictionary<string, TensorEntry> Entries { get; } = new Dictionary<string, TensorEntry>();

        public torch.Tensor Read(string name, torch.ScalarType dtype) => throw new WeightFileException($"{name} is not there");
    }
}
