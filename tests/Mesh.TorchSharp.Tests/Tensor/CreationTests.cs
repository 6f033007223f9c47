using TorchSharp;
using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class CreationTests
{
    [Fact]
    public void Factories_GiveTheShapeTypeAndValuesAsked()
    {
        using var scope = NewDisposeScope();
        zeros(2, 3).dtype.ShouldBe(ScalarType.Float32);
        zeros(2, 3).ShouldBeClose(new double[6]);
        ones(2, 2, 2, 2, dtype: int64).sum().item<long>().ShouldBe(16);
        full(new long[] { 2 }, 7).dtype.ShouldBe(ScalarType.Int64);
        full(new long[] { 2 }, 1.5).ShouldBeClose([1.5, 1.5]);
        empty(new long[] { 4, 0 }).numel().ShouldBe(0);
        eye(2).ShouldBeClose([1, 0, 0, 1]);
        zeros_like(Counting(2, 2)).dtype.ShouldBe(ScalarType.Float64);
        ones_like(Counting(2), dtype: float16).dtype.ShouldBe(ScalarType.Float16);
        full_like(Counting(2), 3).ShouldBeClose([3, 3]);
        Counting(2).new_zeros(2, 2).dtype.ShouldBe(ScalarType.Float64);
        ones(3, requires_grad: true).requires_grad.ShouldBeTrue();
        zeros(Array.Empty<long>()).dim().ShouldBe(0);
    }

    [Fact]
    public void Ranges_EndWhereTheyShould()
    {
        using var scope = NewDisposeScope();
        arange(5).dtype.ShouldBe(ScalarType.Int64);
        arange(1, 10, 3).data<long>().ToArray().ShouldBe([1, 4, 7]);
        arange(0, 1, 0.25).ShouldBeClose([0, 0.25, 0.5, 0.75]);
        arange(3, dtype: float32).dtype.ShouldBe(ScalarType.Float32);
        linspace(0, 1, 5).ShouldBeClose([0, 0.25, 0.5, 0.75, 1]);
        logspace(0, 2, 3, dtype: float64).ShouldBeClose([1, 10, 100], 1e-12);
        hann_window(4, dtype: float64).ShouldBeClose([0, 0.5, 1, 0.5], 1e-15);
    }

    [Fact]
    public void ManagedData_OfEveryType_ComesBackUnchanged()
    {
        using var scope = NewDisposeScope();
        tensor(new[] { true, false }).data<bool>().ToArray().ShouldBe([true, false]);
        tensor(new byte[] { 0, 255 }).data<byte>().ToArray().ShouldBe([0, 255]);
        tensor(new sbyte[] { -128, 127 }).data<sbyte>().ToArray().ShouldBe([-128, 127]);
        tensor(new short[] { -1, 1 }).data<short>().ToArray().ShouldBe([-1, 1]);
        tensor(new[] { int.MinValue }).data<int>().ToArray().ShouldBe([int.MinValue]);
        tensor(new[] { long.MaxValue }).data<long>().ToArray().ShouldBe([long.MaxValue]);
        tensor(new[] { (Half)1.5f }).data<Half>().ToArray().ShouldBe([(Half)1.5f]);
        tensor(new[] { new BFloat16(1.5f) }).data<BFloat16>().ToArray()[0].ToSingle().ShouldBe(1.5f);
        tensor(new[] { 1.25f }).item<float>().ShouldBe(1.25f);
        tensor(new[] { 1e300 }).item<double>().ShouldBe(1e300);
        tensor(new List<float> { 1, 2 }).ShouldBeClose([1, 2]);
        tensor(new float[,] { { 1, 2 }, { 3, 4 } }).ShouldHaveShape(2, 2);
        tensor(new long[,,] { { { 1 }, { 2 } } }).ShouldHaveShape(1, 2, 1);
        tensor(new double[] { 1, 2, 3, 4 }, new long[] { 2, 2 })[1, 0].item<double>().ShouldBe(3);
        tensor(new[] { 1, 2 }, dtype: float32).dtype.ShouldBe(ScalarType.Float32);
        tensor(3).dtype.ShouldBe(ScalarType.Int32);
        tensor(3L).dtype.ShouldBe(ScalarType.Int64);
        tensor(3f).dtype.ShouldBe(ScalarType.Float32);
        tensor(3.0).dtype.ShouldBe(ScalarType.Float64);
        tensor(3.0, dtype: bfloat16).dtype.ShouldBe(ScalarType.BFloat16);
    }

    [Fact]
    public void TensorOfAnArray_IsACopy()
    {
        using var scope = NewDisposeScope();
        var numbers = new float[] { 1, 2 };
        var copy = tensor(numbers);
        numbers[0] = 9;
        copy.ShouldBeClose([1, 2]);
    }

    [Fact]
    public void Frombuffer_OfAnArray_SeesItsPart()
    {
        using var scope = NewDisposeScope();
        var part = frombuffer(new float[] { 1, 2, 3, 4 }, ScalarType.Float32, 2, 1);
        part.ShouldBeClose([2, 3]);
    }

    [Fact]
    public void Bytes_ReadAndWriteMemoryInPlace()
    {
        using var scope = NewDisposeScope();
        var x = zeros(2, int32);
        x.bytes.Length.ShouldBe(8);
        x.bytes[0] = 5;
        x.data<int>().ToArray().ShouldBe([5, 0]);
        x.bytes = new byte[] { 1, 0, 0, 0, 0, 1, 0, 0 };
        x.data<int>().ToArray().ShouldBe([1, 256]);
        using var stream = new MemoryStream();
        x.WriteBytesToStream(stream);
        stream.Position = 0;
        var y = zeros(2, int32);
        y.ReadBytesFromStream(stream);
        y.Equals(x).ShouldBeTrue();
    }

    [Fact]
    public void Accessor_OfATransposedTensor_FollowsItsAxes()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 3).t();
        x.data<double>().ToArray().ShouldBe([1, 4, 2, 5, 3, 6]);
        x.data<double>()[2, 1].ShouldBe(6);
        var accessor = x.data<double>();
        accessor[0, 1] = 40;
        x.ShouldBeClose([1, 40, 2, 5, 3, 6]);
    }

    [Fact]
    public void Conversions_BetweenTypes_RoundAsTheTypesDo()
    {
        using var scope = NewDisposeScope();
        var x = Doubles(1.7, -1.7, 1.00390625);
        x.to(int64).data<long>().ToArray().ShouldBe([1, -1, 1]);
        x.to(float16).dtype.ShouldBe(ScalarType.Float16);
        x.bfloat16().ShouldBeClose([1.703125, -1.703125, 1.0]);
        x.half().ShouldBeClose([1.7001953125, -1.7001953125, 1.00390625]);
        x.@float().dtype.ShouldBe(ScalarType.Float32);
        x.@bool().data<bool>().ToArray().ShouldBe([true, true, true]);
        x.to(CPU).device_type.ShouldBe(DeviceType.CPU);
        x.type(ScalarType.Float32).dtype.ShouldBe(ScalarType.Float32);
        ((double)x[0]).ShouldBe(1.7);
        x[0].ToSingle().ShouldBe(1.7f);
        ((float)x[0]).ShouldBe(1.7f);
    }

    [Fact]
    public void Item_OfTheWrongTypeOrCount_IsRefused()
    {
        using var scope = NewDisposeScope();
        Should.Throw<ArgumentException>(() => Counting(1).item<float>());
        Should.Throw<ArgumentException>(() => Counting(2).item<double>());
        Should.Throw<ArgumentException>(() => Counting(2).data<long>());
    }

    [Fact]
    public void SaveAndLoad_OfATensor_KeepTypeShapeAndElements()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 150).to(float16);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        x.Save(writer);
        writer.Flush();
        stream.Position = 0;
        using var reader = new BinaryReader(stream);
        var y = torch.Tensor.Load(reader);
        y.dtype.ShouldBe(ScalarType.Float16);
        y.Equals(x).ShouldBeTrue();
    }

    [Fact]
    public void Text_OfATensor_NamesShapeTypeAndDevice()
    {
        using var scope = NewDisposeScope();
        var text = zeros(2, 3).ToString();
        text.ShouldContain("2x3");
        text.ShouldContain("Float32");
        text.ShouldContain("cpu");
    }

    [Fact]
    public void Devices_OfDescriptions_AreParsed()
    {
        new Device("cuda:1").index.ShouldBe(1);
        new Device("cuda:1").type.ShouldBe(DeviceType.CUDA);
        device("cpu").type.ShouldBe(DeviceType.CPU);
        new Device("cuda:1").ToString().ShouldBe("cuda:1");
        CPU.ToString().ShouldBe("cpu");
        zeros(1).device.type.ShouldBe(DeviceType.CPU);
    }
}
