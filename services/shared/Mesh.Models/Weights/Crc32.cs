using System.Buffers.Binary;

namespace Mesh.Models.Weights;

/// <summary>The CRC-32 of ZIP archives (reflected polynomial 0xEDB88320), eight bytes a step.</summary>
internal static class Crc32
{
    private static readonly uint[][] Tables = Build();

    /// <summary>Continues the sum <paramref name="crc"/> (0 at the start) over <paramref name="data"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        uint sum = ~crc;
        for (; data.Length >= 8; data = data[8..])
        {
            uint low = BinaryPrimitives.ReadUInt32LittleEndian(data) ^ sum, high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            sum = Tables[7][low & 0xFF] ^ Tables[6][(low >> 8) & 0xFF] ^ Tables[5][(low >> 16) & 0xFF] ^ Tables[4][low >> 24]
                ^ Tables[3][high & 0xFF] ^ Tables[2][(high >> 8) & 0xFF] ^ Tables[1][(high >> 16) & 0xFF] ^ Tables[0][high >> 24];
        }
        foreach (byte b in data)
            sum = (sum >> 8) ^ Tables[0][(sum ^ b) & 0xFF];
        return ~sum;
    }

    private static uint[][] Build()
    {
        var tables = new uint[8][];
        for (int t = 0; t < tables.Length; t++)
        {
            tables[t] = new uint[256];
            for (uint i = 0; i < 256; i++)
            {
                uint value = t == 0 ? i : tables[t - 1][i];
                if (t > 0)
                {
                    tables[t][i] = (value >> 8) ^ tables[0][value & 0xFF];
                    continue;
                }
                for (int bit = 0; bit < 8; bit++)
                    value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320 : value >> 1;
                tables[0][i] = value;
            }
        }
        return tables;
    }
}
