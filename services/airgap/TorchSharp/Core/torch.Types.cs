namespace TorchSharp;

public static partial class torch
{
    public static readonly ScalarType bfloat16 = ScalarType.BFloat16;
    public static readonly ScalarType @bool = ScalarType.Bool;
    public static readonly ScalarType cdouble = ScalarType.ComplexFloat64;
    public static readonly ScalarType cfloat = ScalarType.ComplexFloat32;
    public static readonly ScalarType complex128 = ScalarType.ComplexFloat64;
    public static readonly ScalarType complex64 = ScalarType.ComplexFloat32;
    public static readonly ScalarType @double = ScalarType.Float64;
    public static readonly ScalarType @float = ScalarType.Float32;
    public static readonly ScalarType float16 = ScalarType.Float16;
    public static readonly ScalarType float32 = ScalarType.Float32;
    public static readonly ScalarType float64 = ScalarType.Float64;
    public static readonly ScalarType half = ScalarType.Float16;
    public static readonly ScalarType @int = ScalarType.Int32;
    public static readonly ScalarType int16 = ScalarType.Int16;
    public static readonly ScalarType int32 = ScalarType.Int32;
    public static readonly ScalarType int64 = ScalarType.Int64;
    public static readonly ScalarType int8 = ScalarType.Int8;
    public static readonly ScalarType @long = ScalarType.Int64;
    public static readonly ScalarType @short = ScalarType.Int16;
    public static readonly ScalarType uint8 = ScalarType.Byte;

    private static ScalarType _defaultType = ScalarType.Float32;
    private static Device _defaultDevice = CPU;

    public static ScalarType get_default_dtype() => _defaultType;
    public static void set_default_dtype(ScalarType dtype) => _defaultType = dtype;
    public static Device get_default_device() => _defaultDevice;
    public static void set_default_device(Device device) => _defaultDevice = device;
    public static void set_default_device(string device) => _defaultDevice = new Device(device);

    public static bool is_floating_point(ScalarType type) =>
        type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;

    public static bool is_integral(ScalarType type) => type <= ScalarType.Int64 || type == ScalarType.Bool;
    public static bool is_complex(ScalarType type) => type is ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64;

    public static bool is_floating_point(Tensor input) => input.is_floating_point();
    public static bool is_integral(Tensor t) => t.is_integral();
    public static bool is_complex(Tensor input) => input.is_complex();

    /// <summary>The type that arithmetic between the two gives.</summary>
    public static ScalarType promote_types(ScalarType type1, ScalarType type2) => (ScalarType)Op.Number("promote_types", type1, type2).Integer;

    public static ScalarType result_type(Tensor tensor1, Tensor tensor2) => (ScalarType)Op.Number("result_type.Tensor", tensor1, tensor2).Integer;
    public static bool can_cast(ScalarType from, ScalarType to) => Op.Test("can_cast", from, to);

    public static FInfo finfo() => finfo(get_default_dtype());

    /// <summary>The limits of a floating-point type.</summary>
    public static FInfo finfo(ScalarType dtype) => dtype switch
    {
        ScalarType.Float16 => new FInfo(16, Math.Pow(2, -10), 65504, Math.Pow(2, -14), 1e-3),
        ScalarType.BFloat16 => new FInfo(16, Math.Pow(2, -7), BFloat16.MaxValue.ToSingle(), BFloat16.MinNormal.ToSingle(), 1e-2),
        ScalarType.Float32 or ScalarType.ComplexFloat32 => new FInfo(32, Math.Pow(2, -23), float.MaxValue, Math.Pow(2, -126), 1e-6),
        ScalarType.Float64 or ScalarType.ComplexFloat64 => new FInfo(64, Math.Pow(2, -52), double.MaxValue, Math.Pow(2, -1022), 1e-15),
        _ => throw new ArgumentException($"'{dtype}' is not a floating-point type", nameof(dtype)),
    };

    /// <summary>Bits, machine epsilon, largest and smallest numbers of a floating-point type.</summary>
    public struct FInfo
    {
        public int bits;
        public double eps;
        public double max;
        public double min;
        public double smallest_normal;
        public double tiny;
        public double resolution;

        internal FInfo(int bits, double eps, double max, double smallest, double resolution)
        {
            (this.bits, this.eps, this.max, min) = (bits, eps, max, -max);
            (smallest_normal, tiny, this.resolution) = (smallest, smallest, resolution);
        }
    }
}
