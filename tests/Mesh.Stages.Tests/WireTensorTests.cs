using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;

namespace Mesh.Stages.Tests;

/// <summary>What comes in is checked before anything is made of it.</summary>
public sealed class WireTensorTests
{
    [Fact]
    public void Floats_OfEachWidth_AreTheSameNumbers()
    {
        float[] values = [1, -2.5f, 0.15625f, 0];
        var half = new Tensor { DataType = DataType.Float16, Shape = { 4 }, Data = Bytes(values.SelectMany(x => BitConverter.GetBytes((Half)x))) };
        var brain = new Tensor { DataType = DataType.Bfloat16, Shape = { 4 }, Data = Bytes(values.SelectMany(x => BitConverter.GetBytes(x)[2..])) };

        WireTensors.Floats(WireTensors.OfFloats(values, 2, 2), "t", 2, 2).ShouldBe(values);
        WireTensors.Floats(half, "t", 4).ShouldBe(values);
        WireTensors.Floats(brain, "t", WireTensors.Any).ShouldBe(values);
    }

    [Fact]
    public void OfFloats_IsLittleEndian() => WireTensors.OfFloats([1f], 1).Data.ToByteArray().ShouldBe([0, 0, 0x80, 0x3F]);

    [Theory]
    [InlineData(DataType.Unspecified, new long[] { 2 }, 8, "t.data_type")]
    [InlineData(DataType.Int64, new long[] { 2 }, 16, "t.data_type")]
    [InlineData(DataType.Uint8, new long[] { 2 }, 2, "t.data_type")]
    [InlineData(DataType.Float32, new long[] { 3 }, 12, "t.shape")]
    [InlineData(DataType.Float32, new long[] { 2, 1 }, 8, "t.shape")]
    [InlineData(DataType.Float32, new long[] { -2 }, 8, "t.shape")]
    [InlineData(DataType.Float32, new long[] { }, 4, "t.shape")]
    [InlineData(DataType.Float32, new long[] { 2 }, 7, "t.data")]
    [InlineData(DataType.Float32, new long[] { 2 }, 9, "t.data")]
    [InlineData(DataType.Float16, new long[] { 2 }, 8, "t.data")]
    public void Floats_Malformed_NamesTheField(DataType type, long[] shape, int bytes, string field)
    {
        var tensor = new Tensor { DataType = type, Data = ByteString.CopyFrom(new byte[bytes]) };
        tensor.Shape.AddRange(shape);

        Should.Throw<MeshException>(() => WireTensors.Floats(tensor, "t", 2)).ToStatus().ShouldBeInvalid(field);
    }

    [Fact]
    public void Floats_ShapeWhoseProductWraps_IsRefused()
    {
        var tensor = new Tensor { DataType = DataType.Float32, Shape = { 1L << 32, 1L << 32, 0 } };

        Should.Throw<MeshException>(() => WireTensors.Floats(tensor, "t", WireTensors.Any, WireTensors.Any, WireTensors.Any)).ToStatus().ShouldBeInvalid("t.shape");
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void Floats_NotFinite_IsRefused(float value) =>
        Should.Throw<MeshException>(() => WireTensors.Floats(WireTensors.OfFloats([0, value], 2), "t", 2)).ToStatus().ShouldBeInvalid("t.data");

    [Fact]
    public void Floats_Absent_IsRequired() => Should.Throw<MeshException>(() => WireTensors.Floats(null, "t", 2)).ToStatus().ShouldBeInvalid("t");

    [Fact]
    public void Bytes_OfFloats_AreRefused() =>
        Should.Throw<MeshException>(() => WireTensors.Bytes(WireTensors.OfFloats([1f], 1), "t", 1)).ToStatus().ShouldBeInvalid("t.data_type");

    private static ByteString Bytes(IEnumerable<byte> bytes) => ByteString.CopyFrom([.. bytes]);
}
