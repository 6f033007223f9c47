using Mesh.Models.Noise;

namespace Mesh.Training.Data;

/// <summary>
/// The order in which pictures are seen: epochs in random order, each with every picture as often as its weight says, on average. It follows from the
/// seed and the place alone, so that a run goes on where it stopped.
/// </summary>
public sealed class DataOrder
{
    private readonly (int Index, double Weight)[] _items;
    private readonly long _seed;
    private int[] _epoch = [];
    private long _loaded = -1;
    private long _number;
    private long _place;

    /// <summary>An order of weighted pictures.</summary>
    /// <param name="items">Indices and weights; those of weight 0 are never seen.</param>
    /// <param name="seed">What the order follows from.</param>
    /// <exception cref="DataException">Nothing has a weight.</exception>
    public DataOrder(IEnumerable<(int Index, double Weight)> items, long seed)
    {
        ArgumentNullException.ThrowIfNull(items);
        _items = [.. items.Where(i => i.Weight > 0)];
        _seed = seed;
        if (_items.Length == 0)
            throw new DataException("no picture is left to train on");
    }

    /// <summary>Pictures that are seen at all.</summary>
    public int Count => _items.Length;

    /// <summary>Epoch and place in it of the next picture.</summary>
    public long[] Position
    {
        get => [_number, _place];
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (value.Length != 2 || value[0] < 0 || value[1] < 0)
                throw new ArgumentException("a position is an epoch and a place", nameof(value));
            (_number, _place) = (value[0], value[1]);
        }
    }

    /// <summary>The next pictures' indices; they may reach into the next epoch.</summary>
    public int[] Next(int count)
    {
        var indices = new int[count];
        for (var i = 0; i < count; i++)
        {
            Load();
            while (_place >= _epoch.Length)
            {
                (_number, _place) = (_number + 1, 0);
                Load();
            }

            indices[i] = _epoch[_place++];
        }

        return indices;
    }

    private void Load()
    {
        if (_loaded == _number)
            return;
        var random = new TorchGenerator(unchecked((_seed * 0x9E3779B1) ^ (_number * 0x85EBCA6B) ^ 0x2545F491));
        var chances = new float[_items.Length];
        random.Uniforms(chances);
        var members = new List<int>(_items.Length);
        for (var i = 0; i < _items.Length; i++)
        {
            var whole = (int)_items[i].Weight;
            var times = whole + (chances[i] < _items[i].Weight - whole ? 1 : 0);
            for (var k = 0; k < times; k++)
                members.Add(_items[i].Index);
        }

        _epoch = [.. random.Permutation(members.Count).Select(p => members[(int)p])];
        _loaded = _number;
    }
}
