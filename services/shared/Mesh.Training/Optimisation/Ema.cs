using static TorchSharp.torch;

namespace Mesh.Training.Optimisation;

/// <summary>How fast an average forgets.</summary>
/// <param name="Decay">The average's own share in each update, below 1.</param>
/// <param name="Ramped">Whether it begins at 0 and rises to <paramref name="Decay"/>, so that the first random weights are soon forgotten.</param>
public sealed record EmaDecay(double Decay, bool Ramped)
{
    private const double Ramp = 9;

    /// <summary>The share of update <paramref name="number"/>, counted from 1: 0 for the first of a ramp, then n/(9 + n) until that exceeds the decay.</summary>
    public double At(long number)
    {
        if (!Ramped)
            return Decay;
        return number <= 1 ? 0 : Math.Min(Decay, number / (Ramp + number));
    }
}

/// <summary>An exponential moving average of named tensors: average ← d·average + (1 − d)·value.</summary>
public sealed class Ema : IDisposable
{
    private readonly EmaDecay _decay;
    private readonly (Tensor Average, Tensor Value)[] _pairs;
    private readonly Dictionary<string, Tensor> _averages = new(StringComparer.Ordinal);

    /// <summary>Begins at the values as they are.</summary>
    /// <param name="values">Names and tensors that change from now on; integers are copied and not averaged.</param>
    /// <param name="decay">How fast to forget.</param>
    public Ema(IEnumerable<KeyValuePair<string, Tensor>> values, EmaDecay decay)
    {
        ArgumentNullException.ThrowIfNull(values);
        _decay = decay;
        using var mode = no_grad();
        var pairs = new List<(Tensor, Tensor)>();
        foreach (var (name, value) in values)
        {
            var average = value.detach().clone().DetachFromDisposeScope();
            _averages.Add(name, average);
            pairs.Add((average, value));
        }

        _pairs = [.. pairs];
    }

    /// <summary>How many updates were made.</summary>
    public long Updates { get; private set; }

    /// <summary>The averages by name. They belong to this object and change with it.</summary>
    public IReadOnlyDictionary<string, Tensor> Averages => _averages;

    /// <summary>Takes the values as they are now into the average.</summary>
    public void Update()
    {
        Updates++;
        var kept = _decay.At(Updates);
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (average, value) in _pairs)
        {
            if (average.is_floating_point())
                average.mul_(kept).add_(value, 1 - kept);
            else
                average.copy_(value);
        }
    }

    /// <summary>Goes on from a saved average, whose tensors were copied into <see cref="Averages"/>.</summary>
    public void Resume(long updates) => Updates = updates;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var average in _averages.Values)
            average.Dispose();
    }
}
