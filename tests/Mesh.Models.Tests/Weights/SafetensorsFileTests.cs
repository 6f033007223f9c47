using System.Globalization;
using System.Text.Json;
using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Weights;

public sealed class SafetensorsFileTests
{
    private static readonly string Folder = Repository.PathOf("tests", "goldens", "badfiles");

    public static TheoryData<string> Malformed => Cases(valid: false);

    public static TheoryData<string> Odd => Cases(valid: true);

    [Theory]
    [MemberData(nameof(Malformed))]
    public void Open_MalformedFile_OneErrorThatNamesTheFile(string name)
    {
        string path = Path.Combine(Folder, name);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var fault = Should.Throw<WeightFileException>(() => SafetensorsFile.Open(path));
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        fault.Message.ShouldContain(name);
        fault.Message.ShouldNotContain("\n");
        allocated.ShouldBeLessThan(1 << 20); // files of at most 2 KB: nothing may be as large as what they claim
    }

    [Theory]
    [MemberData(nameof(Odd))]
    public void Open_OddButValidFile_HoldsWhatTheReferenceReads(string name)
    {
        using var index = Index();
        var expected = index.RootElement.GetProperty("files").GetProperty(name);
        using var file = SafetensorsFile.Open(Path.Combine(Folder, name));
        var tensors = expected.GetProperty("tensors").EnumerateObject().ToList();
        file.Entries.Keys.ShouldBe(tensors.Select(t => t.Name), ignoreOrder: true);
        foreach (var tensor in tensors)
        {
            var entry = file.Entries[tensor.Name];
            entry.DType.Name().ShouldBe(tensor.Value.GetProperty("dtype").GetString());
            entry.Shape.ShouldBe(tensor.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64()));
            byte[] bytes = new byte[entry.Bytes];
            file.ReadBytes(tensor.Name, 0, bytes);
            Convert.ToHexStringLower(bytes).ShouldBe(tensor.Value.GetProperty("hex").GetString());
        }
        var metadata = expected.GetProperty("metadata");
        if (metadata.ValueKind == JsonValueKind.Null)
            file.Metadata.ShouldBeNull();
        else
            file.Metadata.ShouldNotBeNull().ShouldBe(metadata.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString()!), ignoreOrder: true);
    }

    [Theory]
    [InlineData("bool")]
    [InlineData("u8")]
    [InlineData("i8")]
    [InlineData("i16")]
    [InlineData("u16")]
    [InlineData("i32")]
    [InlineData("u32")]
    [InlineData("i64")]
    [InlineData("f8_e4m3")]
    [InlineData("f8_e5m2")]
    [InlineData("f16")]
    [InlineData("bf16")]
    [InlineData("f32")]
    [InlineData("f64")]
    public void Read_EachType_HasTheReferencesValues(string tensor)
    {
        using var index = Index();
        var expected = index.RootElement.GetProperty("files").GetProperty("ok_all_dtypes.safetensors").GetProperty("tensors").GetProperty(tensor)
            .GetProperty("values").EnumerateArray().Select(Number).ToArray();
        using var file = SafetensorsFile.Open(Path.Combine(Folder, "ok_all_dtypes.safetensors"));
        using var scope = NewDisposeScope();
        var read = file.Read(tensor, file.Entries[tensor].DType.Carrier()!.Value);
        read.shape.ShouldBe([expected.Length]);
        // As doubles; the two ends of I64 are not doubles, so integers are compared through decimal text.
        var actual = read.is_floating_point()
            ? read.to(ScalarType.Float64).data<double>().ToArray().Select(Text)
            : read.to(ScalarType.Int64).data<long>().ToArray().Select(v => v.ToString(CultureInfo.InvariantCulture));
        actual.ShouldBe(expected);
    }

    [Fact]
    public void Read_U64OverSigned_ErrorNamesTheTensor()
    {
        using var file = SafetensorsFile.Open(Path.Combine(Folder, "ok_all_dtypes.safetensors"));
        Should.Throw<WeightFileException>(() => file.Read("u64", ScalarType.Int64)).Message.ShouldContain("'u64'");
    }

    [Fact]
    public void Read_FourBitType_ErrorNamesTheType()
    {
        using var file = SafetensorsFile.Open(Path.Combine(Folder, "ok_sub_byte.safetensors"));
        Should.Throw<WeightFileException>(() => file.Read("a", ScalarType.Float32)).Message.ShouldContain("F4");
    }

    [Fact]
    public void Read_FloatAsInteger_Refused()
    {
        using var file = SafetensorsFile.Open(Path.Combine(Folder, "ok_all_dtypes.safetensors"));
        Should.Throw<WeightFileException>(() => file.Read("f32", ScalarType.Int64));
        Should.Throw<WeightFileException>(() => file.Read("i64", ScalarType.Int32));
        Should.Throw<WeightFileException>(() => file.Read("nothing", ScalarType.Float32)).Message.ShouldContain("'nothing'");
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Read_HalfFileAsEachFloat_ValuesOfThatType(ScalarType type)
    {
        using var folder = new TempFolder();
        // 1.5, -2, 0.25, 65504, 6e-8 as F16, at an odd address.
        string path = SafetensorsBytes.Write(folder, "half.safetensors",
            SafetensorsBytes.Of("""{"a":{"dtype":"F16","shape":[5],"data_offsets":[0,10]}} """, Convert.FromHexString("003e00c00034ff7b0100")));
        using var file = SafetensorsFile.Open(path);
        using var read = file.Read("a", type);
        using var wide = read.to(ScalarType.Float64);
        read.dtype.ShouldBe(type);
        double[] expected = type == ScalarType.BFloat16 ? [1.5, -2, 0.25, 65536, Math.Pow(2, -24)] : [1.5, -2, 0.25, 65504, Math.Pow(2, -24)];
        wide.data<double>().ToArray().ShouldBe(expected);
    }

    [Fact]
    public void CopyTo_TensorOfManyPieces_EveryElementInPlace()
    {
        using var folder = new TempFolder();
        const int count = (SafetensorsFileLimits.PieceBytes / sizeof(float)) + 12345;
        using var values = arange(count, dtype: ScalarType.Float32);
        string path = folder.File("large.safetensors");
        SafetensorsWriter.Write(path, new Dictionary<string, Tensor> { ["a"] = values });
        using var file = SafetensorsFile.Open(path);
        using var same = file.Read("a", ScalarType.Float32);
        using var wide = file.Read("a", ScalarType.Float64);
        using var expected = arange(count, dtype: ScalarType.Float64);
        same.Equals(values).ShouldBeTrue();
        wide.Equals(expected).ShouldBeTrue();
    }

    [Fact]
    public void CopyTo_TransposedTarget_RowMajorValues()
    {
        using var folder = new TempFolder();
        string path = SafetensorsBytes.Write(folder, "a.safetensors",
            SafetensorsBytes.Of("""{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""", SafetensorsBytes.Floats(1, 2, 3, 4, 5, 6)));
        using var file = SafetensorsFile.Open(path);
        using var storage = zeros(3, 2);
        using var target = storage.t();
        file.CopyTo("a", target);
        target.contiguous().data<float>().ToArray().ShouldBe([1, 2, 3, 4, 5, 6]);
        using var wrong = zeros(5);
        Should.Throw<WeightFileException>(() => file.CopyTo("a", wrong)).Message.ShouldContain("[2, 3]");
    }

    [Fact]
    public void Open_LfsPointer_SaysSoWithTheSize()
    {
        string path = Path.Combine(Folder, "folders", "lfs_pointer", "unet", "diffusion_pytorch_model.safetensors");
        string message = Should.Throw<WeightFileException>(() => SafetensorsFile.Open(path)).Message;
        message.ShouldContain("git-LFS pointer");
        message.ShouldContain("3438167540");
    }

    [Fact]
    public void Open_Pickle_NamesTheCommandThatConverts()
    {
        string path = Path.Combine(Folder, "folders", "pickle", "unet", "diffusion_pytorch_model.bin");
        Should.Throw<WeightFileException>(() => SafetensorsFile.Open(path)).Message.ShouldContain($"mesh models convert {path}");
    }

    [Fact]
    public void Open_MissingFileOrFolder_OneError()
    {
        using var folder = new TempFolder();
        Should.Throw<WeightFileException>(() => SafetensorsFile.Open(folder.File("nothing.safetensors"))).Message.ShouldContain("nothing.safetensors");
        Should.Throw<WeightFileException>(() => SafetensorsFile.Open(folder.Path));
    }

    [Fact]
    public void Open_NamesOfHugeLength_MessageStaysShort()
    {
        using var folder = new TempFolder();
        string path = SafetensorsBytes.Write(folder, "long.safetensors",
            SafetensorsBytes.Of("{\"" + new string('x', 100_000) + "\":{\"dtype\":\"F31\",\"shape\":[],\"data_offsets\":[0,0]}}"));
        Should.Throw<WeightFileException>(() => SafetensorsFile.Open(path)).Message.Length.ShouldBeLessThan(1000);
    }

    private static TheoryData<string> Cases(bool valid)
    {
        using var index = Index();
        return [.. index.RootElement.GetProperty("files").EnumerateObject().Where(f => f.Value.GetProperty("valid").GetBoolean() == valid).Select(f => f.Name)];
    }

    private static JsonDocument Index() => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "index.json")));

    private static string Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => "1",
        JsonValueKind.False => "0",
        JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double d) && !double.IsFinite(d) => Text(d),
        JsonValueKind.String => value.GetString()!,
        _ when value.TryGetInt64(out long l) && !value.GetRawText().Contains('.') => l.ToString(CultureInfo.InvariantCulture),
        _ => Text(value.GetDouble()),
    };

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
