using Mesh.Testing;

namespace Mesh.Store.Tests;

public sealed class TwoLevelCacheTests
{
    private static readonly CacheKey Key = CacheKey.OfEmbedding("enc", "tok", "a cat", 77, "float32", []);
    private static readonly SharedCacheOptions Patient = new() { Timeout = TimeSpan.FromSeconds(20) };

    [Fact]
    public async Task Value_ComputedOnce_IsThenFoundInThisProcess()
    {
        var cache = new TwoLevelCache(new LocalCache(1000), shared: null);

        (await cache.GetAsync(Key, _ => Task.FromResult<byte[]>([1]), CancellationToken.None).DefaultTimeout()).ShouldBe(([1], CacheSource.Computed), Comparer);
        (await cache.GetAsync(Key, NotAgain, CancellationToken.None).DefaultTimeout()).ShouldBe(([1], CacheSource.Local), Comparer);
    }

    [Fact]
    public async Task Value_ComputedByAnotherReplica_IsFoundInRedis()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var link = new RedisLink(redis.Connection);
        var shared = new SharedCache(link, Patient);
        await shared.SetAsync(Key.Text, new byte[] { 1 }, CancellationToken.None).DefaultTimeout();
        var cache = new TwoLevelCache(new LocalCache(1000), shared);

        (await cache.GetAsync(Key, NotAgain, CancellationToken.None).DefaultTimeout()).ShouldBe(([1], CacheSource.Shared), Comparer);
        (await cache.GetAsync(Key, NotAgain, CancellationToken.None).DefaultTimeout()).ShouldBe(([1], CacheSource.Local), Comparer);
    }

    [Fact]
    public async Task Callers_OfOneKeyAtOnce_ShareOneComputation()
    {
        var computations = 0;
        var value = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        var cache = new TwoLevelCache(new LocalCache(1000), shared: null);
        var calls = Enumerable.Range(0, 50).Select(_ => cache.GetAsync(Key, _ =>
        {
            Interlocked.Increment(ref computations);
            return value.Task;
        }, CancellationToken.None)).ToArray();

        value.SetResult([1]);

        (await Task.WhenAll(calls).DefaultTimeout()).ShouldAllBe(x => x.Value.SequenceEqual(new byte[] { 1 }));
        computations.ShouldBe(1);
    }

    [Fact]
    public async Task Caller_WhoCancels_DoesNotTakeTheValueFromOthers()
    {
        using var cancel = new CancellationTokenSource();
        var value = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        var cache = new TwoLevelCache(new LocalCache(1000), shared: null);
        var leaving = cache.GetAsync(Key, token => value.Task.WaitAsync(token), cancel.Token);
        var staying = cache.GetAsync(Key, NotAgain, CancellationToken.None);

        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => leaving.DefaultTimeout());
        value.SetResult([1]);

        (await staying.DefaultTimeout()).Value.ShouldBe([1]);
    }

    [Fact]
    public async Task Computation_NobodyWaitsFor_IsCancelled_AndTheNextCallStartsAnew()
    {
        using var cancel = new CancellationTokenSource();
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cache = new TwoLevelCache(new LocalCache(1000), shared: null);
        var only = cache.GetAsync(Key, async token =>
        {
            using var registration = token.Register(stopped.SetResult);
            started.SetResult();
            await Task.Delay(Timeout.Infinite, token);
            return [];
        }, cancel.Token);
        await started.Task.DefaultTimeout();

        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => only.DefaultTimeout());
        await stopped.Task.DefaultTimeout();
        (await cache.GetAsync(Key, _ => Task.FromResult<byte[]>([2]), CancellationToken.None).DefaultTimeout()).Value.ShouldBe([2]);
    }

    [Fact]
    public async Task Fault_OfAComputation_ReachesItsCallersAndIsNotKept()
    {
        var cache = new TwoLevelCache(new LocalCache(1000), shared: null);

        await Should.ThrowAsync<InvalidOperationException>(() => cache.GetAsync(Key, _ => throw new InvalidOperationException("no"), CancellationToken.None).DefaultTimeout());

        (await cache.GetAsync(Key, _ => Task.FromResult<byte[]>([1]), CancellationToken.None).DefaultTimeout()).Source.ShouldBe(CacheSource.Computed);
    }

    private static IEqualityComparer<(byte[] Value, CacheSource Source)> Comparer { get; } =
        EqualityComparer<(byte[] Value, CacheSource Source)>.Create((a, b) => a.Source == b.Source && a.Value.SequenceEqual(b.Value), x => x.Source.GetHashCode());

    private static Task<byte[]> NotAgain(CancellationToken cancel) => throw new InvalidOperationException("computed once more");
}
