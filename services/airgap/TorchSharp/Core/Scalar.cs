using System.Numerics;

namespace TorchSharp;

/// <summary>A number of one of torch's kinds: bool, 64-bit integer, double or complex, remembering the type that it came from.</summary>
public sealed class Scalar : IDisposable
{
    private readonly long _integer;
    private readonly double _number;
    private readonly Complex _complex;

    internal Scalar(long value, torch.ScalarType type)
    {
        (Type, _integer, _number, _complex) = (type, value, value, new Complex(value, 0));
    }

    internal Scalar(double value, torch.ScalarType type)
    {
        (Type, _integer, _number, _complex) = (type, unchecked((long)value), value, new Complex(value, 0));
    }

    internal Scalar(Complex value, torch.ScalarType type)
    {
        (Type, _integer, _number, _complex) = (type, unchecked((long)value.Real), value.Real, value);
    }

    /// <summary>The kind of number: Bool, Int64, Float64 or ComplexFloat64, as libtorch keeps scalars.</summary>
    public torch.ScalarType Type { get; }

    internal long Integer => _integer;
    internal double Number => _number;
    internal Complex ComplexNumber => _complex;

    public static implicit operator Scalar(byte value) => new(value, torch.ScalarType.Int64);
    public static implicit operator Scalar(sbyte value) => new(value, torch.ScalarType.Int64);
    public static implicit operator Scalar(short value) => new(value, torch.ScalarType.Int64);
    public static implicit operator Scalar(int value) => new(value, torch.ScalarType.Int64);
    public static implicit operator Scalar(long value) => new(value, torch.ScalarType.Int64);
    public static implicit operator Scalar(float value) => new(value, torch.ScalarType.Float64);
    public static implicit operator Scalar(double value) => new(value, torch.ScalarType.Float64);
    public static implicit operator Scalar(Half value) => new((double)value, torch.ScalarType.Float64);
    public static implicit operator Scalar(BFloat16 value) => new(value.ToSingle(), torch.ScalarType.Float64);
    public static implicit operator Scalar(bool value) => new(value ? 1L : 0L, torch.ScalarType.Bool);
    public static implicit operator Scalar((float, float) value) => new(new Complex(value.Item1, value.Item2), torch.ScalarType.ComplexFloat64);
    public static implicit operator Scalar(Complex value) => new(value, torch.ScalarType.ComplexFloat64);

    /// <summary>Nothing to release: the number lives in this object.</summary>
    public void Dispose()
    {
    }

    internal Arg ToArg() => Type switch
    {
        torch.ScalarType.Bool => _integer != 0,
        torch.ScalarType.Int64 => _integer,
        torch.ScalarType.ComplexFloat64 => Arg.Of(_complex),
        _ => _number,
    };

    /// <summary>The scalar that a native result holds.</summary>
    internal static unsafe Scalar Take(in Value value)
    {
        switch (value.Tag)
        {
            case Tag.Bool: return value.Integer != 0;
            case Tag.Int: return value.Integer;
            case Tag.Double: return value.Number;
            case Tag.Complex:
                var parts = (double*)value.Pointer;
                var number = new Complex(parts[0], parts[1]);
                Native.mesh_free(parts);
                return number;
            default: throw new InvalidOperationException($"expected a number, got {value.Tag}");
        }
    }
}

/// <summary>Numbers to scalars and back.</summary>
public static class ScalarExtensionMethods
{
    public static Scalar ToScalar(this byte value) => value;
    public static Scalar ToScalar(this sbyte value) => value;
    public static Scalar ToScalar(this short value) => value;
    public static Scalar ToScalar(this int value) => value;
    public static Scalar ToScalar(this long value) => value;
    public static Scalar ToScalar(this float value) => value;
    public static Scalar ToScalar(this double value) => value;
    public static Scalar ToScalar(this Half value) => value;
    public static Scalar ToScalar(this BFloat16 value) => value;
    public static Scalar ToScalar(this bool value) => value;
    public static Scalar ToScalar(this (float, float) value) => value;
    public static Scalar ToScalar(this Complex value) => value;
    public static Scalar ToBFloat16Scalar(this float value) => new BFloat16(value);

    public static bool ToBoolean(this Scalar value) => value.ComplexNumber != Complex.Zero;
    public static byte ToByte(this Scalar value) => unchecked((byte)value.Integer);
    public static sbyte ToSByte(this Scalar value) => unchecked((sbyte)value.Integer);
    public static short ToInt16(this Scalar value) => unchecked((short)value.Integer);
    public static int ToInt32(this Scalar value) => unchecked((int)value.Integer);
    public static long ToInt64(this Scalar value) => value.Integer;
    public static Half ToHalf(this Scalar value) => (Half)value.Number;
    public static BFloat16 ToBFloat16(this Scalar value) => new((float)value.Number);
    public static float ToSingle(this Scalar value) => (float)value.Number;
    public static double ToDouble(this Scalar value) => value.Number;
    public static (float Real, float Imaginary) ToComplexFloat32(this Scalar value) => ((float)value.ComplexNumber.Real, (float)value.ComplexNumber.Imaginary);
    public static Complex ToComplexFloat64(this Scalar value) => value.ComplexNumber;
}
