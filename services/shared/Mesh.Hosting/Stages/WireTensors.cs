using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Hosting.Faults;

namespace Mesh.Hosting.Stages;

/// <summary>Tensors as messages carry them, to arrays and back. What comes in is checked before anything is made of it.</summary>
public static class WireTensors
{
    /// <summary>An extent that a caller may choose.</summary>
    public const long Any = -1;

    /// <summary>A float32 tensor.</summary>
    /// <param name="values">Row-major; as many as the shape asks for.</param>
    /// <param name="shape">Extents, outermost first.</param>
    public static Tensor OfFloats(ReadOnlySpan<float> values, params ReadOnlySpan<long> shape)
    {
        if (BitConverter.IsLittleEndian) return Of(DataType.Float32, MemoryMarshal.AsBytes(values), shape);
        var bytes = new byte[values.Length * sizeof(float)];
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), values[i]);
        return Of(DataType.Float32, bytes, shape);
    }

    /// <summary>A tensor of bytes.</summary>
    /// <inheritdoc cref="OfFloats"/>
    public static Tensor OfBytes(ReadOnlySpan<byte> values, params ReadOnlySpan<long> shape) => Of(DataType.Uint8, values, shape);

    /// <summary>The elements of a float tensor of any width, as float32.</summary>
    /// <param name="tensor">As it came.</param>
    /// <param name="field">What faults call it: its path in the request.</param>
    /// <param name="shape">The extents that it must have; <see cref="Any"/> where the caller may choose.</param>
    /// <exception cref="MeshException">INVALID_ARGUMENT: it is absent, of another type or shape, of a length that is not its shape's, or not finite.</exception>
    public static float[] Floats(Tensor? tensor, string field, params ReadOnlySpan<long> shape)
    {
        var count = Check(tensor, field, shape);
        var data = tensor!.Data.Span;
        CheckLength(tensor, field, count, tensor.DataType switch
        {
            DataType.Float32 => sizeof(float),
            DataType.Float16 or DataType.Bfloat16 => sizeof(ushort),
            _ => throw Wrong(field + ".data_type", $"must be a float type, not {tensor.DataType}"),
        });
        var values = new float[count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = tensor.DataType switch
            {
                DataType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(data[(i * sizeof(float))..]),
                DataType.Float16 => (float)BinaryPrimitives.ReadHalfLittleEndian(data[(i * sizeof(ushort))..]),
                _ => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(data[(i * sizeof(ushort))..]) << 16),
            };
            if (!float.IsFinite(values[i])) throw Wrong(field + ".data", $"element {i} is not finite");
        }
        return values;
    }

    /// <summary>The elements of a tensor of bytes.</summary>
    /// <inheritdoc cref="Floats"/>
    public static byte[] Bytes(Tensor? tensor, string field, params ReadOnlySpan<long> shape)
    {
        var count = Check(tensor, field, shape);
        if (tensor!.DataType != DataType.Uint8) throw Wrong(field + ".data_type", $"must be uint8, not {tensor.DataType}");
        CheckLength(tensor, field, count, sizeof(byte));
        return tensor.Data.ToByteArray();
    }

    private static Tensor Of(DataType type, ReadOnlySpan<byte> data, ReadOnlySpan<long> shape)
    {
        var tensor = new Tensor { DataType = type, Data = ByteString.CopyFrom(data) };
        foreach (var extent in shape) tensor.Shape.Add(extent);
        return tensor;
    }

    /// <summary>Whether it is there and of that shape; gives its number of elements.</summary>
    private static long Check(Tensor? tensor, string field, ReadOnlySpan<long> shape)
    {
        if (tensor is null) throw Wrong(field, "is required");
        var fits = tensor.Shape.Count == shape.Length;
        var count = 1L;
        for (var i = 0; fits && i < shape.Length; i++)
        {
            var extent = tensor.Shape[i];
            // No tensor of more elements than one message's bytes can be right; the bound keeps the product from wrapping.
            fits = extent >= 0 && (shape[i] == Any || shape[i] == extent) && extent <= int.MaxValue && count * extent <= int.MaxValue;
            if (fits) count *= extent;
        }
        return fits ? count : throw Wrong(field + ".shape", $"is [{string.Join(", ", tensor.Shape)}], must be {Expected(shape)}");
    }

    private static void CheckLength(Tensor tensor, string field, long count, int size)
    {
        if (tensor.Data.Length != count * size)
            throw Wrong(field + ".data", $"has {tensor.Data.Length} bytes; its type and shape ask for {count * size}");
    }

    private static string Expected(ReadOnlySpan<long> shape)
    {
        var parts = new string[shape.Length];
        for (var i = 0; i < shape.Length; i++) parts[i] = shape[i] == Any ? "any" : shape[i].ToString(System.Globalization.CultureInfo.InvariantCulture);
        return $"[{string.Join(", ", parts)}]";
    }

    private static MeshException Wrong(string field, string why) => MeshException.InvalidArgument(field, why);
}
