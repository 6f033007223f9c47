namespace Mesh.Models.Noise;

/// <summary>Which PyTorch release's draws to give, where they differ: only 16-bit draws and integers of wide ranges do.</summary>
public enum TorchDraws
{
    /// <summary>As measured in 2.15.</summary>
    Current,

    /// <summary>As measured in 1.13.1: coarse 16-bit uniforms, 64-bit integers only for ranges from 2^32 on.</summary>
    Older,
}

/// <summary>
/// The numbers of PyTorch's CPU generator, whatever library is loaded: uniforms, integers and permutations to the last bit; fp32 normals of 16 or
/// more within the 2.5e-6 by which PyTorch differs from itself between processors, computed here in double precision and rounded once.
/// Not safe for use by several threads at once.
/// </summary>
public sealed partial class TorchGenerator
{
    private const double Unit24 = 1.0 / (1 << 24);
    private const double Unit53 = 1.0 / (1L << 53);
    private const int Block = 16;
    private const int HalfBlock = Block / 2;
    private const long LargestPermutation = (1L << 32) / 20;

    private readonly TorchDraws _draws;
    private readonly MersenneTwister _engine;
    private double? _kept;

    /// <summary>Starts at a seed, of which only the low 32 bits count.</summary>
    public TorchGenerator(long seed, TorchDraws draws = TorchDraws.Current)
    {
        _engine = new MersenneTwister(seed);
        _draws = draws;
    }

    /// <summary>Words of a saved state.</summary>
    public static int StateLength => MersenneTwister.Length + 4;

    /// <summary>The whole state, so that a run can go on from here.</summary>
    public uint[] Save()
    {
        var state = new uint[StateLength];
        _engine.Save(state);
        state[^3] = _kept is null ? 0u : 1u;
        var bits = BitConverter.DoubleToUInt64Bits(_kept ?? 0);
        (state[^2], state[^1]) = ((uint)(bits >> 32), (uint)bits);
        return state;
    }

    /// <summary>Goes on from a saved state.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public void Restore(ReadOnlySpan<uint> state)
    {
        if (state.Length != StateLength)
            throw new ArgumentException($"a state has {StateLength} words, not {state.Length}", nameof(state));
        _engine.Restore(state);
        _kept = state[^3] == 0 ? null : BitConverter.UInt64BitsToDouble(((ulong)state[^2] << 32) | state[^1]);
    }

    /// <summary>Uniforms in [0, 1), as <c>torch.rand</c>.</summary>
    public void Uniforms(Span<float> into)
    {
        for (var i = 0; i < into.Length; i++)
            into[i] = Uniform24();
    }

    /// <summary>Uniforms in [0, 1), as <c>torch.rand</c> in float64.</summary>
    public void Uniforms(Span<double> into)
    {
        for (var i = 0; i < into.Length; i++)
            into[i] = Uniform53();
    }

    /// <summary>Standard normals, as <c>torch.randn</c> of a contiguous tensor of this many elements.</summary>
    public void Normals(Span<float> into)
    {
        if (into.Length < Block)
        {
            for (var i = 0; i < into.Length; i++)
                into[i] = (float)SingleNormal();
            return;
        }

        Uniforms(into);
        for (var i = 0; i + Block <= into.Length; i += Block)
            Transform(into.Slice(i, Block));
        if (into.Length % Block == 0)
            return;

        // What is left over is not transformed by itself: the last sixteen places are drawn anew.
        var last = into[^Block..];
        Uniforms(last);
        Transform(last);
    }

    /// <summary>Standard normals, as <c>torch.randn</c> in float64.</summary>
    public void Normals(Span<double> into)
    {
        if (into.Length < Block)
        {
            for (var i = 0; i < into.Length; i++)
                into[i] = SingleNormal();
            return;
        }

        Uniforms(into);
        for (var i = 0; i + Block <= into.Length; i += Block)
            Transform(into.Slice(i, Block));
        if (into.Length % Block == 0)
            return;
        var last = into[^Block..];
        Uniforms(last);
        Transform(last);
    }

    /// <summary>Whole numbers from <paramref name="low"/> up to but not including <paramref name="high"/>, as <c>torch.randint</c>.</summary>
    public void Integers(long low, long high, Span<long> into)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(high, low);
        var span = unchecked((ulong)high - (ulong)low);
        var wide = span >= (_draws == TorchDraws.Older ? 1UL << 32 : 1UL << 28);
        for (var i = 0; i < into.Length; i++)
            into[i] = unchecked(low + (long)((wide ? _engine.Next64() : _engine.Next()) % span));
    }

    /// <summary>The numbers from 0 to <paramref name="count"/> - 1 in random order, as <c>torch.randperm</c>.</summary>
    public long[] Permutation(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(count, LargestPermutation);
        var order = new long[count];
        for (var i = 0; i < count; i++)
            order[i] = i;
        for (var i = 0; i < count - 1; i++)
        {
            var other = i + (int)(_engine.Next() % (uint)(count - i));
            (order[i], order[other]) = (order[other], order[i]);
        }

        return order;
    }

    private float Uniform24() => (float)((_engine.Next() & 0xFFFFFF) * Unit24);

    private double Uniform53() => (_engine.Next64() & ((1UL << 53) - 1)) * Unit53;

    /// <summary>One of fewer than sixteen: they come in pairs, and the second of a pair waits for the next such draw of any type.</summary>
    private double SingleNormal()
    {
        if (_kept is { } kept)
        {
            _kept = null;
            return kept;
        }

        var u1 = Uniform53();
        var u2 = Uniform53();
        var radius = Math.Sqrt(-2 * Math.Log(1 - u2)); // 1 - u2 is exact, so this is log1p(-u2)
        var (sin, cos) = Math.SinCos(2 * Math.PI * u1);
        _kept = radius * sin;
        return radius * cos;
    }

    private static void Transform(Span<float> block)
    {
        for (var j = 0; j < HalfBlock; j++)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1.0 - block[j]));
            var (sin, cos) = Math.SinCos(2 * Math.PI * block[j + HalfBlock]);
            block[j] = (float)(radius * cos);
            block[j + HalfBlock] = (float)(radius * sin);
        }
    }

    private static void Transform(Span<double> block)
    {
        for (var j = 0; j < HalfBlock; j++)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1.0 - block[j]));
            var (sin, cos) = Math.SinCos(2 * Math.PI * block[j + HalfBlock]);
            block[j] = radius * cos;
            block[j + HalfBlock] = radius * sin;
        }
    }
}
