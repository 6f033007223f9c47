namespace Mesh.Models.Noise;

/// <summary>MT19937 with 32-bit outputs (Matsumoto and Nishimura 1998), seeded as PyTorch's CPU generator seeds it: by the low 32 bits alone.</summary>
internal sealed class MersenneTwister
{
    internal const int Length = 624;
    private const int Middle = 397;

    private readonly uint[] _state = new uint[Length];
    private int _next = Length;

    public MersenneTwister(long seed)
    {
        _state[0] = unchecked((uint)seed);
        for (var j = 1u; j < Length; j++)
            _state[j] = (1812433253u * (_state[j - 1] ^ (_state[j - 1] >> 30))) + j;
    }

    /// <summary>The next 32 bits.</summary>
    public uint Next()
    {
        if (_next == Length)
            Twist();
        var y = _state[_next++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C5680u;
        y ^= (y << 15) & 0xEFC60000u;
        return y ^ (y >> 18);
    }

    /// <summary>The next 64 bits, the high half first.</summary>
    public ulong Next64()
    {
        var high = Next();
        return ((ulong)high << 32) | Next();
    }

    /// <summary>Copies the state out: 624 words and the place of the next.</summary>
    public void Save(Span<uint> into)
    {
        _state.CopyTo(into);
        into[Length] = (uint)_next;
    }

    /// <summary>Takes up a state that <see cref="Save"/> gave.</summary>
    public void Restore(ReadOnlySpan<uint> from)
    {
        if (from[Length] > Length)
            throw new ArgumentException("not a state of this generator", nameof(from));
        from[..Length].CopyTo(_state);
        _next = (int)from[Length];
    }

    private void Twist()
    {
        for (var i = 0; i < Length; i++)
        {
            var y = (_state[i] & 0x80000000u) | (_state[(i + 1) % Length] & 0x7FFFFFFFu);
            _state[i] = _state[(i + Middle) % Length] ^ (y >> 1) ^ ((y & 1) == 0 ? 0 : 0x9908B0DFu);
        }

        _next = 0;
    }
}
