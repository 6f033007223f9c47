using System.Collections.Concurrent;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Stages.Tests;

/// <summary>The seeds' own noise, with a gate before one tile of one seed: there the device's thread waits until the test opens it.</summary>
internal sealed class GatedNoise(ulong seed, int tile) : IDisposable
{
    private readonly ManualResetEventSlim _open = new();
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the device stands before the gate.</summary>
    public Task Reached => _reached.Task;

    /// <summary>Which tiles were begun, as (seed, tile), in order.</summary>
    public ConcurrentQueue<(ulong Seed, int Tile)> Begun { get; } = new();

    public IUpscaleNoise Of(ulong seed) => new Seeded(this, seed);

    public void Open() => _open.Set();

    public void Dispose()
    {
        _open.Set();
        _open.Dispose();
    }

    private void Pass(ulong of, int at)
    {
        Begun.Enqueue((of, at));
        if (of != seed || at != tile) return;
        _reached.TrySetResult();
        if (!_open.Wait(TimeSpan.FromSeconds(60))) throw new TimeoutException("The test did not open the gate.");
    }

    private sealed class Seeded(GatedNoise gate, ulong of) : IUpscaleNoise
    {
        private readonly SeededUpscaleNoise _numbers = new(of);

        public Tensor Style(int tile, int width)
        {
            gate.Pass(of, tile);
            return _numbers.Style(tile, width);
        }

        public Tensor? Image(int tile, long[] shape) => null;
    }
}

/// <summary>Style vectors of a golden case: a row a tile, the second pass's after the first's.</summary>
internal sealed class GivenNoise(params float[][] passes) : IUpscaleNoise
{
    private readonly float[] _rows = [.. passes.SelectMany(x => x)];

    public Tensor Style(int tile, int width) => tensor(_rows.AsSpan(tile * width, width).ToArray(), [1, width]);

    public Tensor? Image(int tile, long[] shape) => null;
}
