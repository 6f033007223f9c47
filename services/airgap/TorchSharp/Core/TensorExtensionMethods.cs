using System.Numerics;

namespace TorchSharp;

/// <summary>Numbers and arrays to tensors and back.</summary>
public static class TensorExtensionMethods
{
    public static Half ToHalf(this torch.Tensor value) => value.ToScalar().ToHalf();
    public static BFloat16 ToBFloat16(this torch.Tensor value) => value.ToScalar().ToBFloat16();
    public static float ToSingle(this torch.Tensor value) => value.ToScalar().ToSingle();
    public static double ToDouble(this torch.Tensor value) => value.ToScalar().ToDouble();
    public static bool ToBoolean(this torch.Tensor value) => value.ToScalar().ToBoolean();
    public static byte ToByte(this torch.Tensor value) => value.ToScalar().ToByte();
    public static sbyte ToSByte(this torch.Tensor value) => value.ToScalar().ToSByte();
    public static short ToInt16(this torch.Tensor value) => value.ToScalar().ToInt16();
    public static int ToInt32(this torch.Tensor value) => value.ToScalar().ToInt32();
    public static long ToInt64(this torch.Tensor value) => value.ToScalar().ToInt64();
    public static (float Real, float Imaginary) ToComplexFloat32(this torch.Tensor value) => value.ToScalar().ToComplexFloat32();
    public static Complex ToComplexFloat64(this torch.Tensor value) => value.ToScalar().ToComplexFloat64();

    /// <summary>A tensor of the array's elements in the given shape.</summary>
    public static torch.Tensor ToTensor<T>(this T[] rawArray, long[] dimensions, bool doCopy = false, bool requires_grad = false)
    {
        var flat = torch.from_array(rawArray);
        var shaped = Op.Call(doCopy ? "reshape" : "view", flat, dimensions);
        if (doCopy) shaped = shaped.clone();
        flat.Dispose();
        shaped.requires_grad = requires_grad;
        return shaped;
    }

    public static torch.Tensor ToTensor<T>(this T scalar, torch.Device? device = null, bool requires_grad = false)
    {
        torch.Tensor tensor = scalar switch
        {
            bool number => torch.tensor(number),
            byte number => torch.tensor(number),
            sbyte number => torch.tensor(number),
            short number => torch.tensor(number),
            int number => torch.tensor(number),
            long number => torch.tensor(number),
            float number => torch.tensor(number),
            double number => torch.tensor(number),
            _ => throw new NotImplementedException($"Creating scalar tensors of type {typeof(T)} is not supported"),
        };
        if (device is { type: not DeviceType.CPU }) tensor = tensor.to(device, disposeAfter: true);
        tensor.requires_grad = requires_grad;
        return tensor;
    }

    public static long TotalSize(this IEnumerable<long> shape) => shape.Aggregate(1L, (product, length) => product * length);
    public static int ElementSize(this torch.ScalarType type) => torch.ElementSize(type);
    public static ReadOnlySpan<int> IntShape(this torch.Tensor tensor) => Array.ConvertAll(tensor.shape, length => (int)length);

    public static string metastr(this torch.Tensor tensor) => tensor.ToString();

    /// <summary>
    /// Writes type, number of axes and their lengths as variable-length integers (seven bits a byte, the lowest first), then the elements.
    /// </summary>
    public static void Save(this torch.Tensor tensor, BinaryWriter writer)
    {
        var shape = tensor.shape;
        writer.Write7BitEncodedInt((int)tensor.dtype);
        writer.Write7BitEncodedInt(shape.Length);
        foreach (var length in shape) writer.Write7BitEncodedInt64(length);
        using var detached = tensor.detach();
        using var here = detached.cpu();
        using var packed = here.contiguous();
        writer.Flush();
        packed.WriteBytesToStream(writer.BaseStream);
    }

    public static void Save(this torch.Tensor tensor, Stream stream)
    {
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        tensor.Save(writer);
    }

    public static void Save(this torch.Tensor tensor, string location)
    {
        using var file = File.Create(location);
        tensor.Save(file);
    }

    /// <summary>A new tensor from what <see cref="Save(torch.Tensor, BinaryWriter)"/> wrote; with skip, an empty one in its place.</summary>
    public static torch.Tensor Load(BinaryReader reader, bool skip = false)
    {
        var (type, shape) = Header(reader);
        if (skip)
        {
            Skip(reader, type, shape);
            return torch.empty(new long[] { 0 }, type, torch.CPU);
        }
        var tensor = torch.empty(shape, type, torch.CPU);
        tensor.ReadBytesFromStream(reader.BaseStream);
        return tensor;
    }

    /// <summary>Reads into a tensor, whose type and shape must be those of what was written.</summary>
    public static void Load(this torch.Tensor tensor, BinaryReader reader, bool skip = false)
    {
        var (type, shape) = Header(reader);
        if (skip)
        {
            Skip(reader, type, shape);
            return;
        }
        if (type != tensor.dtype || !shape.AsSpan().SequenceEqual(tensor.shape))
            throw new ArgumentException($"Mismatched tensor: [{string.Join("x", shape)}] of {type} for {tensor}");
        using var scope = torch.NewDisposeScope();
        using var still = torch.no_grad();
        var read = torch.empty(shape, type, torch.CPU);
        read.ReadBytesFromStream(reader.BaseStream);
        tensor.copy_(read);
    }

    private static (torch.ScalarType Type, long[] Shape) Header(BinaryReader reader)
    {
        var type = (torch.ScalarType)reader.Read7BitEncodedInt();
        if (!Enum.IsDefined(type)) throw new InvalidDataException($"no element type has the number {(int)type}");
        var shape = new long[reader.Read7BitEncodedInt()];
        for (var axis = 0; axis < shape.Length; axis++) shape[axis] = reader.Read7BitEncodedInt64();
        return (type, shape);
    }

    private static void Skip(BinaryReader reader, torch.ScalarType type, long[] shape) =>
        reader.BaseStream.Seek(shape.TotalSize() * type.ElementSize(), SeekOrigin.Current);
}
