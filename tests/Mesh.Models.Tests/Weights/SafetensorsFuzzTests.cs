using System.Text;
using Mesh.Models.Weights;
using Mesh.Testing;

namespace Mesh.Models.Tests.Weights;

/// <summary>Damaged files never do anything but be read or be refused by the one documented exception.</summary>
public sealed class SafetensorsFuzzTests
{
    private static readonly string[] Pieces =
        ["{", "}", "[", "]", ":", ",", "\"", "\\", "-", "0", "1e9", "9223372036854775808", "18446744073709551616", "null", "true", "F32", "F4", "\0", " ", "\u00e9", "__metadata__", "\\ud800"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Open_DamagedHeaders_ReadOrRefused(int seed)
    {
        using var folder = new TempFolder();
        var random = new Random(seed);
        byte[][] originals = [.. Directory.GetFiles(Repository.PathOf("tests", "goldens", "badfiles"), "ok_*.safetensors").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
        int refused = 0, read = 0;
        for (int i = 0; i < 1500; i++)
        {
            string path = SafetensorsBytes.Write(folder, "x.safetensors", Damage(originals[random.Next(originals.Length)], random));
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var file = SafetensorsFile.Open(path);
                ReadAll(file);
                read++;
            }
            catch (WeightFileException fault)
            {
                fault.Message.ShouldNotBeNullOrWhiteSpace();
                refused++;
            }
            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
        }
        refused.ShouldBeGreaterThan(500);
        read.ShouldBeGreaterThan(10);
    }

    private static void ReadAll(SafetensorsFile file)
    {
        foreach (var (name, entry) in file.Entries)
        {
            byte[] bytes = new byte[entry.Bytes];
            file.ReadBytes(name, 0, bytes);
            if (entry.DType.Carrier() is { } type && entry.DType != DType.U64)
                file.Read(name, type).Dispose();
        }
    }

    /// <summary>One to three small changes; half of the time the header's length is mended, so that the damage reaches the parser.</summary>
    private static byte[] Damage(byte[] original, Random random)
    {
        int length = BitConverter.ToInt32(original);
        var header = original.AsSpan(8, length).ToArray().ToList();
        var data = original.AsSpan(8 + length).ToArray().ToList();
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            int at = random.Next(header.Count + 1);
            switch (random.Next(6))
            {
                case 0:
                    header.InsertRange(at, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;
                case 1 when at < header.Count:
                    header[at] = (byte)random.Next(256);
                    break;
                case 2 when at < header.Count:
                    header.RemoveRange(at, Math.Min(random.Next(1, 9), header.Count - at));
                    break;
                case 3 when at < header.Count && header[at] is >= (byte)'0' and <= (byte)'9':
                    header[at] = (byte)random.Next('0', '9' + 1);
                    break;
                case 4:
                    header.AddRange([.. header[..at]]);
                    break;
                default:
                    if (random.Next(2) == 0 || data.Count == 0)
                        data.Add(0);
                    else
                        data.RemoveAt(data.Count - 1);
                    break;
            }
        }
        ulong said = random.Next(4) == 0 ? (ulong)random.NextInt64() >> random.Next(64) : (ulong)header.Count;
        return [.. BitConverter.GetBytes(said), .. header, .. data];
    }
}
