namespace Mesh.Models.Noise;

/// <summary>A 16-bit float type. Its values are handed out as <see cref="float"/>, which holds each exactly.</summary>
public enum SixteenBit
{
    /// <summary>IEEE half precision.</summary>
    Float16,

    /// <summary>The upper half of a float32.</summary>
    BFloat16,
}

/// <summary>Rounding to 16-bit types, to nearest, ties to even.</summary>
public static class SixteenBitRounding
{
    /// <summary>The value of the type nearest to <paramref name="value"/>.</summary>
    public static float Round(this SixteenBit type, float value)
    {
        if (type == SixteenBit.Float16)
            return (float)(Half)value;
        var bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return float.NaN;
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }
}
