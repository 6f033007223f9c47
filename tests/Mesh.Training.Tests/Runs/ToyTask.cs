using Mesh.Models.Noise;
using Mesh.Training.Data;
using Mesh.Training.Runs;
using Mesh.Training.Optimisation;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Runs;

internal sealed record ToyBatch(Tensor Input, Tensor Target) : IDisposable
{
    public void Dispose()
    {
        Input.Dispose();
        Target.Dispose();
    }
}

/// <summary>Two layers that learn to turn numbers and noise into their sum: as small as a task can be that has everything.</summary>
internal sealed class ToyTask : ITrainingTask<ToyBatch>
{
    private const int Width = 4;

    private readonly DataOrder _order = new(Enumerable.Range(0, 24).Select(i => (i, i % 3 == 0 ? 0.5 : 1.0)), seed: 3);

    public ToyTask(double poison = 0)
    {
        Poison = poison;
        manual_seed(5);
        Networks = new Dictionary<string, nn.Module> { ["net"] = Net = nn.Sequential(nn.Linear(Width, 8), nn.SiLU(), nn.Linear(8, 1)) };
    }

    public TorchSharp.Modules.Sequential Net { get; }

    public double Poison { get; set; }

    public bool Fixed { get; init; }

    public int Exported { get; private set; }

    public IReadOnlyDictionary<string, nn.Module> Networks { get; }

    public long[] Position
    {
        get => _order.Position;
        set => _order.Position = value;
    }

    public static TrainConfig Config(long steps, int batch = 4) => new()
    {
        Batch = batch, Images = steps * batch, Rate = new LearningRate(0.01, WarmupImages: 8), Optimiser = new OptimiserConfig(),
        Average = new EmaDecay(0.99, Ramped: true), TickSteps = 2, CheckpointSteps = 3, SampleSteps = 0, KeepCheckpoints = 5, Seed = 1,
    };

    public ToyBatch NextBatch(int count, TorchGenerator random)
    {
        var values = new float[count * Width];
        var indices = _order.Next(count);
        random.Normals(values);
        for (var i = 0; i < values.Length; i++)
            values[i] = Fixed ? MathF.Sin(i) : values[i] + indices[i / Width];
        var input = tensor(values).reshape(count, Width);
        return new ToyBatch(input, input.sum([1], keepdim: true));
    }

    public LossParts Loss(ToyBatch batch)
    {
        var off = Net.call(batch.Input) - batch.Target;
        var loss = off.square().mean();
        return new LossParts(Poison == 0 ? loss : loss * Poison, new Dictionary<string, Tensor> { ["off"] = off.abs().mean() });
    }

    public Look? Sample() => null;

    public void Export(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "done"), "");
        Exported++;
    }

    public void Dispose() => Net.Dispose();
}
