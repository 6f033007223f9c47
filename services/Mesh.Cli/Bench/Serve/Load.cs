using System.Collections.Concurrent;
using System.Diagnostics;
using Mesh.Client;
using Mesh.Contracts.Image.V1;

namespace Mesh.Cli.Bench.Serve;

/// <summary>Asks a mesh for images, in ways that load it differently. One image a request.</summary>
/// <param name="mesh">Who is asked; it must not try again, or faults would hide.</param>
/// <param name="model">The model's id; null: the mesh's default.</param>
internal sealed class Load(MeshClient mesh, string? model)
{
    private static readonly string[] Subjects = ["a red apple", "a fox", "the sun", "a rocket", "a green leaf", "a blue whale", "a crown", "a cup of tea"];
    private long _asked;

    /// <summary>A prompt that nobody has asked for.</summary>
    public string NewPrompt()
    {
        var n = Interlocked.Increment(ref _asked);
        return $"3d emoji of {Subjects[n % Subjects.Length]}, number {n} of {Environment.ProcessId}";
    }

    /// <summary>A prompt out of eight.</summary>
    public string KnownPrompt() => $"3d emoji of {Subjects[Interlocked.Increment(ref _asked) % Subjects.Length]}";

    /// <summary>So many callers, each asking again as soon as it has its image.</summary>
    public async Task<LoadResult> ClosedAsync(string name, int callers, TimeSpan duration, Func<string> prompt, CancellationToken cancel)
    {
        await AskAsync(prompt(), Stopwatch.GetTimestamp(), cancel);
        var samples = new ConcurrentBag<LoadSample>();
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(
            async () =>
            {
                while (clock.Elapsed < duration) samples.Add(await AskAsync(prompt(), Stopwatch.GetTimestamp(), cancel));
            },
            cancel)));
        return LoadResult.Of(name, samples, clock.Elapsed);
    }

    /// <summary>
    /// Requests that come when they come (a Poisson process), however long the others take. Latency counts from when a request was due, so that
    /// a mesh that falls behind cannot hide it.
    /// </summary>
    public async Task<LoadResult> OpenAsync(string name, double perSecond, TimeSpan duration, Func<string> prompt, CancellationToken cancel)
    {
        var running = new List<Task<LoadSample>>();
        var start = Stopwatch.GetTimestamp();
        foreach (var due in Arrivals(perSecond, duration, seed: 1))
        {
            var wait = due - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero) await Task.Delay(wait, cancel);
            running.Add(AskAsync(prompt(), start + (long)(due.TotalSeconds * Stopwatch.Frequency), cancel));
        }
        var samples = await Task.WhenAll(running);
        return LoadResult.Of(name, samples, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>When requests are due; the gaps are exponentially distributed, and the same every time.</summary>
    public static IEnumerable<TimeSpan> Arrivals(double perSecond, TimeSpan duration, int seed)
    {
#pragma warning disable CA5394 // A load needs a repeatable generator, not a secret one.
        var random = new Random(seed);
        for (var at = -Math.Log(1 - random.NextDouble()) / perSecond; at < duration.TotalSeconds; at -= Math.Log(1 - random.NextDouble()) / perSecond)
            yield return TimeSpan.FromSeconds(at);
#pragma warning restore CA5394
    }

    /// <summary>One image; faults of the mesh are samples too.</summary>
    public async Task<LoadSample> AskAsync(string prompt, long due, CancellationToken cancel)
    {
        var isHit = false;
        var batch = 0;
        try
        {
            await foreach (var happened in mesh.GenerateAsync(new GenerationRequest(prompt) { Model = model, Seeds = [1] }, cancel))
            {
                if (happened is PromptEncoded encoded) isHit = encoded.Cache is CacheOutcome.Local or CacheOutcome.Shared;
                if (happened is ImageReady ready) batch = ready.Image.Generate?.BatchSize ?? 1;
                if (happened is ImageFailed failed) throw failed.Error;
            }
            return new LoadSample(Stopwatch.GetElapsedTime(due), null, batch, isHit);
        }
        catch (MeshException e)
        {
            return new LoadSample(Stopwatch.GetElapsedTime(due), e.Reason.Length > 0 ? e.Reason : e.Code.ToString(), 0, isHit);
        }
    }
}
