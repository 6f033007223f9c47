using System.Numerics;
using System.Text;

namespace TorchSharp;

/// <summary>
/// One argument of an operator call: a value, or a reference to a list that is copied into native memory for the time of the call.
/// Made implicitly from what the public methods take; a null reference becomes None.
/// </summary>
internal readonly struct Arg
{
    private readonly long _bits;
    private readonly object? _reference;

    private Arg(Tag tag, long bits, object? reference = null)
    {
        Tag = tag;
        _bits = bits;
        _reference = reference;
    }

    /// <summary>No value, for an optional argument.</summary>
    internal static Arg None => new(Tag.None, 0);

    /// <summary>The schema's own default.</summary>
    internal static Arg Default => default;

    internal Tag Tag { get; }

    /// <summary>The tensor that this argument is.</summary>
    internal torch.Tensor Tensor => (torch.Tensor)_reference!;

    public static implicit operator Arg(torch.Tensor? value) => value is null ? None : new(Tag.Tensor, value.Handle, value);
    public static implicit operator Arg(int value) => new(Tag.Int, value);
    public static implicit operator Arg(long value) => new(Tag.Int, value);
    public static implicit operator Arg(double value) => new(Tag.Double, BitConverter.DoubleToInt64Bits(value));
    public static implicit operator Arg(bool value) => new(Tag.Bool, value ? 1 : 0);
    public static implicit operator Arg(long? value) => value is { } v ? v : None;
    public static implicit operator Arg(double? value) => value is { } v ? v : None;
    public static implicit operator Arg(bool? value) => value is { } v ? v : None;
    public static implicit operator Arg(torch.ScalarType? value) => value is { } v ? new(Tag.Int, (long)v) : None;
    public static implicit operator Arg(string? value) => value is null ? None : new(Tag.String, Encoding.UTF8.GetByteCount(value), value);
    public static implicit operator Arg(long[]? value) => value is null ? None : new(Tag.Ints, value.Length, value);
    public static implicit operator Arg(double[]? value) => value is null ? None : new(Tag.Doubles, value.Length, value);
    public static implicit operator Arg(torch.Tensor?[]? value) => value is null ? None : new(Tag.Tensors, value.Length, value);
    public static implicit operator Arg(torch.Device? value) =>
        value is null ? None : new(Tag.Device, (long)value.type | ((long)value.index << 32));
    public static implicit operator Arg(torch.Generator? value) => value is null ? None : new(Tag.Generator, value.Handle, value);
    public static implicit operator Arg(Scalar? value) => value is null ? None : value.ToArg();

    internal static Arg Of(Complex value) => new(Tag.Complex, 0, value);

    /// <summary>Bytes of scratch memory that the native form of this argument needs, a multiple of eight.</summary>
    internal int Scratch => Tag switch
    {
        Tag.Ints or Tag.Doubles or Tag.Tensors => checked((int)_bits * 8),
        Tag.String => ((int)_bits + 8) & ~7,
        Tag.Complex => 16,
        _ => 0,
    };

    /// <summary>Writes the native form, lists into <paramref name="scratch"/>.</summary>
    internal unsafe void Write(Value* value, byte* scratch)
    {
        value->Tag = Tag;
        value->Length = 0;
        value->Integer = _bits;
        if (Tag < Tag.String || Tag is Tag.Device or Tag.Generator) return;
        value->Length = (int)_bits;
        value->Pointer = scratch;
        switch (Tag)
        {
            case Tag.Ints: ((long[])_reference!).CopyTo(new Span<long>(scratch, value->Length)); break;
            case Tag.Doubles: ((double[])_reference!).CopyTo(new Span<double>(scratch, value->Length)); break;
            case Tag.String: Encoding.UTF8.GetBytes((string)_reference!, new Span<byte>(scratch, value->Length)); break;
            case Tag.Complex:
                var number = (Complex)_reference!;
                ((double*)scratch)[0] = number.Real;
                ((double*)scratch)[1] = number.Imaginary;
                break;
            default:
                var tensors = (torch.Tensor?[])_reference!;
                for (var i = 0; i < tensors.Length; i++) ((nint*)scratch)[i] = tensors[i]?.Handle ?? 0;
                break;
        }
    }
}
