using System.Security.Cryptography;
using System.Text;
using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Weights;

public sealed class SafetensorsWriterTests
{
    [Fact]
    public void Write_SmallFile_IsThatOfTheReferenceToTheByte()
    {
        using var folder = new TempFolder();
        using var b = tensor(new float[] { 1, -2 });
        using var a = tensor(new long[] { 5 });
        string hash = SafetensorsWriter.Write(folder.File("x.safetensors"), new Dictionary<string, Tensor> { ["b"] = b, ["a"] = a, ["c"] = b });
        // Wider types first, then names; the header is padded to 8 bytes.
        string header = """{"__metadata__":{"format":"pt"},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"c":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}""";
        header += new string(' ', (8 - (header.Length % 8)) % 8);
        byte[] data = Convert.FromHexString("0500000000000000" + "0000803f000000c0" + "0000803f000000c0");
        byte[] expected = [(byte)header.Length, 0, 0, 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(header), .. data];
        byte[] written = File.ReadAllBytes(folder.File("x.safetensors"));
        written.ShouldBe(expected);
        hash.ShouldBe(Convert.ToHexStringLower(SHA256.HashData(written)));
        Directory.GetFiles(folder.Path).Length.ShouldBe(1);
    }

    [Theory]
    [InlineData(ScalarType.Bool)]
    [InlineData(ScalarType.Byte)]
    [InlineData(ScalarType.Int8)]
    [InlineData(ScalarType.Int16)]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void WriteThenRead_EachType_Same(ScalarType type)
    {
        using var folder = new TempFolder();
        using var scope = NewDisposeScope();
        var values = tensor(new float[] { 0, 1, 2, 0, 5, 6 }).reshape(2, 3).to(type);
        string path = folder.File("x.safetensors");
        SafetensorsWriter.Write(path, new Dictionary<string, Tensor> { ["t"] = values, ["strided"] = values.t(), ["scalar"] = values.reshape(-1)[4], ["none"] = zeros(new long[] { 0, 3 }, type) });
        using var file = SafetensorsFile.Open(path);
        file.Read("t", type).Equals(values).ShouldBeTrue();
        file.Read("strided", type).Equals(values.t()).ShouldBeTrue();
        file.Read("scalar", type).Equals(values.reshape(-1)[4]).ShouldBeTrue();
        file.Read("none", type).shape.ShouldBe([0, 3]);
        file.Metadata.ShouldNotBeNull()["format"].ShouldBe("pt");
    }

    [Fact]
    public void Write_WriterFails_OldFileStaysAndNothingElse()
    {
        using var folder = new TempFolder();
        string path = folder.File("x.safetensors");
        File.WriteAllText(path, "old");
        TensorToWrite[] broken = [new("a", DType.F32, [2], s => s.Write([1, 2, 3]))];
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(path, broken, null)).Message.ShouldContain("3 bytes instead of 8");
        File.ReadAllText(path).ShouldBe("old");
        Directory.GetFiles(folder.Path).Length.ShouldBe(1);
    }

    [Fact]
    public void Write_ReservedOrDoubleName_Refused()
    {
        using var folder = new TempFolder();
        TensorToWrite one = new("a", DType.U8, [0], _ => { });
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(folder.File("x"), [one, one], null));
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(folder.File("x"), [one with { Name = "__metadata__" }], null));
        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void Write_NamesOutsideAscii_ReadBack()
    {
        using var folder = new TempFolder();
        string[] names = ["", "重み", "a\"b\\\n", "e\u0301", "é", "🙂"];
        SafetensorsWriter.Write(folder.File("x"), [.. names.Select(n => new TensorToWrite(n, DType.U8, [1], s => s.WriteByte(7)))],
            new Dictionary<string, string> { ["ß"] = "ü\"" });
        using var file = SafetensorsFile.Open(folder.File("x"));
        file.Entries.Keys.ShouldBe(names, ignoreOrder: true);
        file.Metadata.ShouldNotBeNull()["ß"].ShouldBe("ü\"");
    }
}
