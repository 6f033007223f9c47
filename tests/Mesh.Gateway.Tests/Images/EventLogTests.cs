using Mesh.Gateway.Images;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Images;

public sealed class EventLogTests
{
    [Fact]
    public async Task Add_NobodyReadsOn_Waits()
    {
        var log = new EventLog<string>(0, 10, x => x.Length);
        using var reader = log.TryRead()!;
        await log.AddAsync("12345", default);
        await log.AddAsync("67890", default);

        var third = log.AddAsync("x", default).AsTask();

        third.IsCompleted.ShouldBeFalse();
        await using var events = reader.ReadAsync(default).GetAsyncEnumerator();
        await events.MoveNextAsync();
        await third.DefaultTimeout();
        log.Bytes.ShouldBe(6);
    }

    [Fact]
    public async Task Add_LargerThanTheWindow_GoesWhenAlone()
    {
        var log = new EventLog<string>(0, 3, x => x.Length);
        using var reader = log.TryRead()!;

        await log.AddAsync("12345", default).DefaultTimeout();

        log.Bytes.ShouldBe(5);
    }

    [Fact]
    public async Task Add_ReaderLeaves_GoesOn()
    {
        var log = new EventLog<string>(0, 3, x => x.Length);
        var reader = log.TryRead()!;
        await log.AddAsync("123", default);
        var second = log.AddAsync("456", default).AsTask();

        reader.Dispose();

        await second.DefaultTimeout();
    }

    [Fact]
    public async Task Add_Cancelled_StopsWaiting()
    {
        var log = new EventLog<string>(0, 3, x => x.Length);
        using var reader = log.TryRead()!;
        await log.AddAsync("123", default);
        using var cancel = new CancellationTokenSource();
        var second = log.AddAsync("456", cancel.Token).AsTask();

        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => second.DefaultTimeout());
    }

    [Fact]
    public async Task Read_Kept_FromTheFirstForLateComers()
    {
        var log = new EventLog<string>(100, 3, x => x.Length);
        using var first = log.TryRead()!;
        for (var i = 0; i < 5; i++) await log.AddAsync($"event {i}", default).DefaultTimeout();
        log.End();

        (await AllAsync(first)).ShouldBe(["event 0", "event 1", "event 2", "event 3", "event 4"]);
        using var late = log.TryRead()!;
        (await AllAsync(late)).Count.ShouldBe(5);
        log.All()!.Count.ShouldBe(5);
    }

    [Fact]
    public async Task Read_TooMuchToKeep_NobodyJoinsAndNothingIsHeld()
    {
        var log = new EventLog<string>(12, 100, x => x.Length);
        using var first = log.TryRead()!;
        await using var events = first.ReadAsync(default).GetAsyncEnumerator();
        await log.AddAsync("1234567", default);
        await events.MoveNextAsync();
        log.TryRead()!.Dispose();

        await log.AddAsync("1234567", default);

        (log.KeepsAll, log.All(), log.TryRead(), log.Bytes).ShouldBe((false, null, null, 7));
        log.End();
        (await events.MoveNextAsync()).ShouldBeTrue();
        (await events.MoveNextAsync()).ShouldBeFalse();
    }

    [Fact]
    public async Task Read_Thousands_EachOnce()
    {
        var log = new EventLog<int>(0, 64, _ => 1);
        using var reader = log.TryRead()!;
        var writing = Task.Run(async () =>
        {
            for (var i = 0; i < 5000; i++) await log.AddAsync(i, default);
            log.End();
        });

        (await AllAsync(reader).DefaultTimeout()).ShouldBe(Enumerable.Range(0, 5000));

        await writing.DefaultTimeout();
        log.Bytes.ShouldBe(0);
    }

    [Fact]
    public async Task Read_RunFailed_GivesWhatCameAndThenTheFault()
    {
        var log = new EventLog<string>(0, 100, x => x.Length);
        using var reader = log.TryRead()!;
        await log.AddAsync("one", default);
        log.End(new InvalidDataException("broken"));
        await using var events = reader.ReadAsync(default).GetAsyncEnumerator();

        (await events.MoveNextAsync()).ShouldBeTrue();
        (await Should.ThrowAsync<InvalidDataException>(() => events.MoveNextAsync().AsTask())).Message.ShouldBe("broken");
    }

    private static async Task<List<T>> AllAsync<T>(EventLog<T>.Reader reader)
    {
        List<T> all = [];
        await foreach (var item in reader.ReadAsync(default)) all.Add(item);
        return all;
    }
}
