using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Mesh.Models.Weights;

/// <summary>Finds NaN and infinities: numbers whose exponent bits are all ones.</summary>
internal static class FiniteScan
{
    private const long PieceElements = 4 << 20;

    public static bool IsFinite(torch.Tensor tensor)
    {
        if (!tensor.is_floating_point() || tensor.numel() == 0)
            return true;
        using var scope = torch.NewDisposeScope();
        if (tensor.device_type != DeviceType.CPU || !tensor.is_contiguous() || tensor.dtype == torch.ScalarType.Float64)
            return tensor.isfinite().all().item<bool>();
        var flat = tensor.detach().reshape(-1);
        for (long at = 0; at < flat.numel(); at += PieceElements)
        {
            using var part = flat.narrow(0, at, Math.Min(PieceElements, flat.numel() - at));
            if (!IsFinite(part.bytes, part.dtype))
                return false;
        }
        return true;
    }

    private static bool IsFinite(ReadOnlySpan<byte> bytes, torch.ScalarType type) => type switch
    {
        torch.ScalarType.Float32 => NoneSet(MemoryMarshal.Cast<byte, uint>(bytes), 0x7F800000u),
        torch.ScalarType.Float16 => NoneSet(MemoryMarshal.Cast<byte, ushort>(bytes), (ushort)0x7C00),
        torch.ScalarType.BFloat16 => NoneSet(MemoryMarshal.Cast<byte, ushort>(bytes), (ushort)0x7F80),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "is no floating-point type that is scanned"),
    };

    private static bool NoneSet<T>(ReadOnlySpan<T> numbers, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        var mask = new Vector<T>(exponent);
        int i = 0;
        for (; i <= numbers.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            if (Vector.EqualsAny(new Vector<T>(numbers[i..]) & mask, mask))
                return false;
        }
        for (; i < numbers.Length; i++)
        {
            if ((numbers[i] & exponent) == exponent)
                return false;
        }
        return true;
    }
}
