using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Mesh.Models.Weights;

/// <summary>Turns elements that no tensor type holds as they are into the next wider one (<see cref="DTypes.Carrier"/>).</summary>
internal static class ElementDecoder
{
    private static readonly float[] E4M3 = Table(mantissaBits: 3, bias: 7, hasInfinity: false);
    private static readonly float[] E5M2 = Table(mantissaBits: 2, bias: 15, hasInfinity: true);

    /// <summary>Whether the bytes on disk are already the carrier's.</summary>
    public static bool IsPlain(DType type) => type is not (DType.Bool or DType.U16 or DType.U32 or DType.U64 or DType.F8E4M3 or DType.F8E5M2);

    /// <summary>Decodes whole elements from <paramref name="raw"/> into the carrier's bytes.</summary>
    /// <exception cref="WeightFileException">A U64 above 2^63-1.</exception>
    public static void Decode(DType type, ReadOnlySpan<byte> raw, Span<byte> into, string what)
    {
        switch (type)
        {
            case DType.Bool:
                for (int i = 0; i < raw.Length; i++)
                    into[i] = raw[i] == 0 ? (byte)0 : (byte)1;
                break;
            case DType.U16:
                var ints = MemoryMarshal.Cast<byte, int>(into);
                for (int i = 0; i < ints.Length; i++)
                    ints[i] = BinaryPrimitives.ReadUInt16LittleEndian(raw[(i * 2)..]);
                break;
            case DType.U32:
                var longs = MemoryMarshal.Cast<byte, long>(into);
                for (int i = 0; i < longs.Length; i++)
                    longs[i] = BinaryPrimitives.ReadUInt32LittleEndian(raw[(i * 4)..]);
                break;
            case DType.U64:
                var wide = MemoryMarshal.Cast<byte, long>(into);
                for (int i = 0; i < wide.Length; i++)
                {
                    wide[i] = BinaryPrimitives.ReadInt64LittleEndian(raw[(i * 8)..]);
                    if (wide[i] < 0)
                        throw new WeightFileException($"{what} is U64 and holds {(ulong)wide[i]}, which no signed integer can");
                }
                break;
            case DType.F8E4M3:
            case DType.F8E5M2:
                float[] table = type == DType.F8E4M3 ? E4M3 : E5M2;
                var floats = MemoryMarshal.Cast<byte, float>(into);
                for (int i = 0; i < floats.Length; i++)
                    floats[i] = table[raw[i]];
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "needs no decoding");
        }
    }

    /// <summary>All 256 values of an 8-bit float of one sign bit. E4M3 has no infinities: only mantissa 7 of the last exponent is NaN.</summary>
    private static float[] Table(int mantissaBits, int bias, bool hasInfinity)
    {
        int steps = 1 << mantissaBits, lastExponent = (1 << (7 - mantissaBits)) - 1;
        var values = new float[256];
        for (int code = 0; code < 256; code++)
        {
            int exponent = (code & 0x7F) >> mantissaBits, mantissa = code & (steps - 1);
            double size = exponent == 0
                ? mantissa * Math.Pow(2, 1 - bias - mantissaBits)
                : (1 + (double)mantissa / steps) * Math.Pow(2, exponent - bias);
            if (exponent == lastExponent && hasInfinity)
                size = mantissa == 0 ? double.PositiveInfinity : double.NaN;
            else if (exponent == lastExponent && mantissa == steps - 1)
                size = double.NaN;
            values[code] = (float)((code & 0x80) == 0 ? size : -size);
        }
        return values;
    }
}
