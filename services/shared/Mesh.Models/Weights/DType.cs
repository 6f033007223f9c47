using System.Collections.Frozen;
using TorchSharp;

namespace Mesh.Models.Weights;

/// <summary>Element types of a safetensors file, in the order in which its writers sort tensors (last first).</summary>
public enum DType
{
    Bool,
    F4,
    F6E2M3,
    F6E3M2,
    U8,
    I8,
    F8E5M2,
    F8E4M3,
    F8E8M0,
    F8E4M3Fnuz,
    F8E5M2Fnuz,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

/// <summary>What the format says of each <see cref="DType"/>.</summary>
public static class DTypes
{
    private static readonly FrozenDictionary<string, DType> ByName = new Dictionary<string, DType>
    {
        ["BOOL"] = DType.Bool,
        ["F4"] = DType.F4,
        ["F6_E2M3"] = DType.F6E2M3,
        ["F6_E3M2"] = DType.F6E3M2,
        ["U8"] = DType.U8,
        ["I8"] = DType.I8,
        ["F8_E5M2"] = DType.F8E5M2,
        ["F8_E4M3"] = DType.F8E4M3,
        ["F8_E8M0"] = DType.F8E8M0,
        ["F8_E4M3FNUZ"] = DType.F8E4M3Fnuz,
        ["F8_E5M2FNUZ"] = DType.F8E5M2Fnuz,
        ["I16"] = DType.I16,
        ["U16"] = DType.U16,
        ["F16"] = DType.F16,
        ["BF16"] = DType.BF16,
        ["I32"] = DType.I32,
        ["U32"] = DType.U32,
        ["F32"] = DType.F32,
        ["C64"] = DType.C64,
        ["F64"] = DType.F64,
        ["I64"] = DType.I64,
        ["U64"] = DType.U64,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<DType, string> Names = ByName.ToFrozenDictionary(p => p.Value, p => p.Key);

    /// <summary>The type of that name as the format spells it (upper case); false where there is none.</summary>
    public static bool TryParse(string name, out DType type) => ByName.TryGetValue(name, out type);

    /// <summary>The name as it stands in a header, such as <c>BF16</c>.</summary>
    public static string Name(this DType type) => Names[type];

    /// <summary>Bits of one element; 4 and 6 for the sub-byte types.</summary>
    public static int Bits(this DType type) => type switch
    {
        DType.F4 => 4,
        DType.F6E2M3 or DType.F6E3M2 => 6,
        DType.Bool or DType.U8 or DType.I8 or DType.F8E5M2 or DType.F8E4M3 or DType.F8E8M0 or DType.F8E4M3Fnuz or DType.F8E5M2Fnuz => 8,
        DType.I16 or DType.U16 or DType.F16 or DType.BF16 => 16,
        DType.I32 or DType.U32 or DType.F32 => 32,
        _ => 64,
    };

    /// <summary>Whether the elements are real numbers with a fraction.</summary>
    public static bool IsFloat(this DType type) => type is DType.F16 or DType.BF16 or DType.F32 or DType.F64
        or DType.F4 or DType.F6E2M3 or DType.F6E3M2 or DType.F8E5M2 or DType.F8E4M3 or DType.F8E8M0 or DType.F8E4M3Fnuz or DType.F8E5M2Fnuz;

    /// <summary>The tensor type that holds every value of <paramref name="type"/> exactly (U16 widens to Int32, U32 and U64 to Int64, the two
    /// common 8-bit floats to Float32), or null for the types that nothing here can compute with.</summary>
    public static torch.ScalarType? Carrier(this DType type) => type switch
    {
        DType.Bool => torch.ScalarType.Bool,
        DType.U8 => torch.ScalarType.Byte,
        DType.I8 => torch.ScalarType.Int8,
        DType.I16 => torch.ScalarType.Int16,
        DType.U16 or DType.I32 => torch.ScalarType.Int32,
        DType.U32 or DType.I64 or DType.U64 => torch.ScalarType.Int64,
        DType.F16 => torch.ScalarType.Float16,
        DType.BF16 => torch.ScalarType.BFloat16,
        DType.F32 or DType.F8E5M2 or DType.F8E4M3 => torch.ScalarType.Float32,
        DType.F64 => torch.ScalarType.Float64,
        DType.C64 => torch.ScalarType.ComplexFloat32,
        _ => null,
    };

    /// <summary>The file type of a tensor type.</summary>
    /// <exception cref="ArgumentException">A type that the format has no name for.</exception>
    public static DType FromScalarType(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Bool => DType.Bool,
        torch.ScalarType.Byte => DType.U8,
        torch.ScalarType.Int8 => DType.I8,
        torch.ScalarType.Int16 => DType.I16,
        torch.ScalarType.Int32 => DType.I32,
        torch.ScalarType.Int64 => DType.I64,
        torch.ScalarType.Float16 => DType.F16,
        torch.ScalarType.BFloat16 => DType.BF16,
        torch.ScalarType.Float32 => DType.F32,
        torch.ScalarType.Float64 => DType.F64,
        torch.ScalarType.ComplexFloat32 => DType.C64,
        _ => throw new ArgumentException($"safetensors has no element type for {type}", nameof(type)),
    };
}
