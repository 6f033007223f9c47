using System.Text;
using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Weights;

public sealed class TorchArchiveTests : IDisposable
{
    private static readonly byte[] FourFloats = SafetensorsBytes.Floats(1, 2, 3, 4);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Convert_FileThatTorchSaved_SafetensorsOfItsTensors()
    {
        string path = Repository.PathOf("tests", "goldens", "badfiles", "folders", "pickle", "unet", "diffusion_pytorch_model.bin");
        using var archive = TorchArchive.Open(path);
        string result = _folder.File("x.safetensors");
        archive.Convert(result).ShouldBe(FileHash.Sha256(result));
        using var file = SafetensorsFile.Open(result);
        file.Entries.Keys.ShouldBe(["conv_in.bias"]);
        using var bias = file.Read("conv_in.bias", ScalarType.Float32);
        bias.data<float>().ToArray().ShouldBe([0, 0, 0, 0]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Convert_SharedStridedAndHalfTensors_EachInOrder(bool with64BitDirectory)
    {
        // As a state dict is saved: an OrderedDict with _metadata, two views of one storage (one of them transposed), a half, a scalar and an empty one.
        var pickle = new PickleBuilder().Global("collections", "OrderedDict").Raw((byte)'q', 0).Op(')').Op('R').Raw((byte)'q', 1).Op('(');
        pickle.Text("whole").Tensor("0", "FloatStorage", 6, 0, [2, 3], [3, 1]);
        pickle.Text("turned").Tensor("0", "FloatStorage", 6, 0, [3, 2], [1, 3]);
        pickle.Text("tail").Tensor("0", "FloatStorage", 6, 4, [2], [1]);
        pickle.Text("half").Tensor("1", "HalfStorage", 2, 0, [1, 2], [100, 1]);
        pickle.Text("scalar").Tensor("2", "LongStorage", 1, 0, [], []);
        pickle.Text("empty").Tensor("3", "BFloat16Storage", 0, 0, [0, 4], [4, 1]);
        pickle.Op('u').Op('}').Text("_metadata").Raw((byte)'h', 0).Op(')').Op('R').Text("").Op('}').Text("version").Int(1).Op('s').Op('s').Op('s').Op('b');
        var zip = new ZipBuilder { With64BitDirectory = with64BitDirectory }.Add("x/data.pkl", pickle.Done()).Add("x/.format_version", "1"u8)
            .Add("x/data/0", SafetensorsBytes.Floats(1, 2, 3, 4, 5, 6)).Add("x/data/1", Convert.FromHexString("003e00c0"))
            .Add("x/data/2", BitConverter.GetBytes(-5L)).Add("x/data/3", []).Add("x/version", "3\n"u8).Add("x/.data/serialization_id", "1"u8);
        using var archive = Open(zip.Done());
        string result = _folder.File("x.safetensors");
        archive.Convert(result);
        using var file = SafetensorsFile.Open(result);
        using var scope = NewDisposeScope();
        float[] Floats(string name) => file.Read(name, ScalarType.Float32).data<float>().ToArray();
        Floats("whole").ShouldBe([1, 2, 3, 4, 5, 6]);
        Floats("turned").ShouldBe([1, 4, 2, 5, 3, 6]);
        Floats("tail").ShouldBe([5, 6]);
        Floats("half").ShouldBe([1.5f, -2]);
        file.Read("scalar", ScalarType.Int64).data<long>().ToArray().ShouldBe([-5]);
        file.Entries["turned"].Shape.ShouldBe([3, 2]);
        file.Entries["scalar"].Shape.ShouldBeEmpty();
        file.Entries["empty"].Shape.ShouldBe([0, 4]);
        file.Entries["half"].DType.ShouldBe(DType.F16);
    }

    public static TheoryData<string, byte[]> BadPickles => new()
    {
        { "protocol", [0x80, 4, .. PickleBuilder.OneTensor()[2..]] },
        { "no protocol", PickleBuilder.OneTensor()[2..] },
        { "empty", [] },
        { "cut short", PickleBuilder.OneTensor()[..^3] },
        { "trailing", [.. PickleBuilder.OneTensor(), 0] },
        { "os.system", new PickleBuilder().Global("os", "system").Text("true").Raw(0x85).Op('R').Done() },
        { "builtins.eval", new PickleBuilder().Global("__builtin__", "eval").Done() },
        { "other torch function", new PickleBuilder().Global("torch", "load").Done() },
        { "parameter", new PickleBuilder().Global("torch._utils", "_rebuild_parameter").Done() },
        { "quantised", new PickleBuilder().Global("torch._utils", "_rebuild_qtensor").Done() },
        { "sparse", new PickleBuilder().Global("torch._utils", "_rebuild_sparse_tensor").Done() },
        { "endless global", new PickleBuilder().Op('c').Raw(new byte[5000]).Done() },
        { "OrderedDict with arguments", new PickleBuilder().Global("collections", "OrderedDict").Tuple(1).Op('R').Done() },
        { "call of a string", new PickleBuilder().Text("x").Op(')').Op('R').Done() },
        { "INST", new PickleBuilder().Op('(').Raw("ios\nsystem\n"u8).Done() },
        { "OBJ", new PickleBuilder().Op('(').Global("collections", "OrderedDict").Op('o').Done() },
        { "NEWOBJ", new PickleBuilder().Global("collections", "OrderedDict").Op(')').Raw(0x81).Done() },
        { "EXT1", new PickleBuilder().Raw(0x82, 1).Done() },
        { "STACK_GLOBAL", new PickleBuilder().Text("os").Text("system").Raw(0x93).Done() },
        { "NONE", new PickleBuilder().Op('N').Done() },
        { "LIST", new PickleBuilder().Op(']').Done() },
        { "FLOAT", new PickleBuilder().Op('G').Raw(new byte[8]).Done() },
        { "FRAME", new PickleBuilder().Raw(0x95).Raw(new byte[8]).Done() },
        { "LONG1", new PickleBuilder().Raw(0x8A, 1, 1).Done() },
        { "PERSID", new PickleBuilder().Op('P').Raw("0\n"u8).Done() },
        { "DUP", new PickleBuilder().Op('}').Op('2').Done() },
        { "POP", new PickleBuilder().Op('}').Op('0').Done() },
        { "empty stack", new PickleBuilder().Op('R').Done() },
        { "nothing left", new PickleBuilder().Done() },
        { "two left", new PickleBuilder().Op('}').Op('}').Done() },
        { "mark left", new PickleBuilder().Op('(').Done() },
        { "no mark", new PickleBuilder().Op('}').Op('u').Done() },
        { "mark as value", new PickleBuilder().Op('}').Op('(').Raw(0x86).Done() },
        { "remember a mark", new PickleBuilder().Op('(').Raw((byte)'q', 0).Done() },
        { "recall nothing", new PickleBuilder().Raw((byte)'h', 7).Done() },
        { "items on a string", new PickleBuilder().Text("x").Text("a").Int(1).Op('s').Done() },
        { "odd items", new PickleBuilder().Op('}').Op('(').Text("a").Op('u').Done() },
        { "number as key", new PickleBuilder().Op('}').Int(1).Int(1).Op('s').Done() },
        { "key twice", new PickleBuilder().Op('}').Text("a").Tensor("0", "FloatStorage", 4, 0, [4], [1]).Op('s').Text("a").Tensor("0", "FloatStorage", 4, 0, [4], [1]).Op('s').Done() },
        { "string too long", new PickleBuilder().Op('X').Raw(0xFF, 0xFF, 0xFF, 0xFF).Done() },
        { "string not UTF-8", new PickleBuilder().Op('X').Raw(1, 0, 0, 0, 0xFF).Done() },
        { "top is a tensor", new PickleBuilder().Tensor("0", "FloatStorage", 4, 0, [4], [1]).Done() },
        { "nested dictionary", new PickleBuilder().Op('}').Text("state_dict").Op('}').Op('s').Done() },
        { "number as value", new PickleBuilder().Op('}').Text("epoch").Int(3).Op('s').Done() },
        { "dictionary of itself", new PickleBuilder().Op('}').Raw((byte)'q', 0).Text("a").Raw((byte)'h', 0).Op('s').Done() },
        { "BUILD of something else", new PickleBuilder().Global("collections", "OrderedDict").Op(')').Op('R').Op('}').Text("x").Int(1).Op('s').Op('b').Done() },
        { "BUILD on a plain dictionary", new PickleBuilder().Op('}').Op('}').Text("_metadata").Op('}').Op('s').Op('b').Done() },
        { "persistent id of one", new PickleBuilder().Text("x").Op('Q').Done() },
        { "storage with a path as key", One("../0", "FloatStorage", 4, 0, [4], [1]) },
        { "storage of no type", One("0", "UntypedStorage", 4, 0, [4], [1]) },
        { "storage of complex numbers", One("0", "ComplexFloatStorage", 4, 0, [4], [1]) },
        { "negative count", One("0", "FloatStorage", -4, 0, [4], [1]) },
        { "negative offset", One("0", "FloatStorage", 4, -1, [4], [1]) },
        { "negative size", One("0", "FloatStorage", 4, 0, [-4], [1]) },
        { "negative stride", One("0", "FloatStorage", 4, 3, [4], [-1]) },
        { "outside by offset", One("0", "FloatStorage", 4, 1, [4], [1]) },
        { "outside by stride", One("0", "FloatStorage", 4, 0, [2], [4]) },
        { "repeated by stride 0", One("0", "FloatStorage", 4, 0, [1_000_000, 1_000_000], [0, 0]) },
        { "overflow", One("0", "FloatStorage", 4, 0, [2147483647, 2147483647, 2147483647], [1, 1, 1]) },
        { "sizes without strides", One("0", "FloatStorage", 4, 0, [4], []) },
        { "too many axes", One("0", "FloatStorage", 4, 0, [.. Enumerable.Repeat(1, 40)], [.. Enumerable.Repeat(1, 40)]) },
        { "no such entry", One("9", "FloatStorage", 4, 0, [4], [1]) },
        { "count of another size", One("0", "FloatStorage", 5, 0, [4], [1]) },
        { "type of another size", One("0", "DoubleStorage", 4, 0, [4], [1]) },
        { "one storage of two types", new PickleBuilder().Op('}').Text("a").Tensor("0", "FloatStorage", 4, 0, [4], [1]).Op('s').Text("b").Tensor("0", "IntStorage", 4, 0, [4], [1]).Op('s').Done() },
        { "stack too deep", new PickleBuilder().Raw([.. Enumerable.Repeat((byte)'}', 300_000)]).Done() },
    };

    [Theory]
    [MemberData(nameof(BadPickles))]
    public void Open_PickleThatNeedsMoreThanTensorsDo_Refused(string what, byte[] pickle)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        byte[] file = ZipBuilder.OfPickle(pickle, ("0", FourFloats));
        Should.Throw<WeightFileException>(() => Open(file), what).Message.ShouldContain("x.bin");
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(64L << 20);
    }

    public static TheoryData<string, byte[]> BadArchives
    {
        get
        {
            byte[] pickle = PickleBuilder.OneTensor(), version = "3\n"u8.ToArray();
            ZipBuilder Good() => new ZipBuilder().Add("a/data.pkl", pickle).Add("a/version", version).Add("a/data/0", FourFloats);
            byte[] fine = Good().Done();
            return new()
            {
                { "compressed", new ZipBuilder().Add("a/data.pkl", pickle, method: 8).Add("a/version", version).Add("a/data/0", FourFloats).Done() },
                { "encrypted", new ZipBuilder().Add("a/data.pkl", pickle, flags: 0x0809).Add("a/version", version).Add("a/data/0", FourFloats).Done() },
                { "name twice", Good().Add("a/data/0", FourFloats).Done() },
                { "absolute name", Good().Add("/a/data/1", FourFloats).Done() },
                { "name with ..", Good().Add("a/../data/1", FourFloats).Done() },
                { "name with backslash", Good().Add("a\\data", FourFloats).Done() },
                { "other root", Good().Add("b/data/1", FourFloats).Done() },
                { "other entry", Good().Add("a/readme", FourFloats).Done() },
                { "TorchScript constants", Good().Add("a/constants.pkl", pickle).Done() },
                { "TorchScript code", Good().Add("a/code/x.py", FourFloats).Done() },
                { "big-endian", Good().Add("a/byteorder", "big"u8).Done() },
                { "unknown version", new ZipBuilder().Add("a/data.pkl", pickle).Add("a/version", "99"u8).Add("a/data/0", FourFloats).Done() },
                { "no version", new ZipBuilder().Add("a/data.pkl", pickle).Add("a/data/0", FourFloats).Done() },
                { "no pickle", new ZipBuilder().Add("a/version", version).Done() },
                { "pickle too deep", new ZipBuilder().Add("a/b/data.pkl", pickle).Add("a/version", version).Done() },
                { "no root", new ZipBuilder().Add("data.pkl", pickle).Add("version", version).Done() },
                { "storage missing", new ZipBuilder().Add("a/data.pkl", pickle).Add("a/version", version).Done() },
                { "storage too small", new ZipBuilder().Add("a/data.pkl", pickle).Add("a/version", version).Add("a/data/0", FourFloats.AsSpan(0, 12)).Done() },
                { "damaged storage", new ZipBuilder().Add("a/data.pkl", pickle).Add("a/version", version).Add("a/data/0", FourFloats, crc: 1).Done() },
                { "damaged pickle", new ZipBuilder().Add("a/data.pkl", pickle, crc: 1).Add("a/version", version).Add("a/data/0", FourFloats).Done() },
                { "local name differs", new ZipBuilder().Add("a/data.pkl", pickle, localName: "a/date.pkl").Add("a/version", version).Add("a/data/0", FourFloats).Done() },
                { "count too large", Good().Done(count: 4) },
                { "count too small", Good().Done(count: 2) },
                { "entries elsewhere", Good().Done(shift: 3) },
                { "comment", Good().Done(comment: "hello") },
                { "cut short", fine[..^7] },
                { "bytes before", [1, 2, 3, .. fine] },
                { "bytes after", [.. fine, 1, 2, 3] },
                { "only magic", "PK\x03\x04"u8.ToArray() },
                { "legacy pickle", [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.'] },
                { "TAR", [.. new byte[257], .. "ustar\0"u8, .. new byte[300]] },
                { "nothing", [] },
                { "LFS pointer", Encoding.UTF8.GetBytes($"version https://git-lfs.github.com/spec/v1\noid sha256:{new string('a', 64)}\nsize 5\n") },
            };
        }
    }

    [Theory]
    [MemberData(nameof(BadArchives))]
    public void Open_ArchiveThatTorchDoesNotWrite_Refused(string what, byte[] file) =>
        Should.Throw<WeightFileException>(() => Open(file), what).Message.ShouldNotBeNullOrWhiteSpace();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Open_DamagedFiles_ReadOrRefused(int seed)
    {
        var random = new Random(seed);
        byte[] original = File.ReadAllBytes(Repository.PathOf("tests", "goldens", "badfiles", "folders", "pickle", "unet", "diffusion_pytorch_model.bin"));
        int refused = 0;
        for (int i = 0; i < 1500; i++)
        {
            byte[] damaged = [.. original];
            for (int changes = random.Next(1, 4); changes > 0; changes--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            if (random.Next(8) == 0)
                damaged = damaged[..random.Next(damaged.Length)];
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Open(damaged).Dispose();
            }
            catch (WeightFileException)
            {
                refused++;
            }
            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(4 << 20);
        }
        refused.ShouldBeGreaterThan(300);
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(30, false)]
    public void Open_OneStorageUnderManyNames_OnlySoOften(int names, bool opens)
    {
        var pickle = new PickleBuilder().Op('}').Text("0").Tensor("0", "FloatStorage", 1000, 0, [1000], [1]).Raw((byte)'q', 0).Op('s');
        for (int i = 1; i < names; i++)
            pickle.Text(Convert.ToString(i, 16)).Raw((byte)'h', 0).Op('s');
        byte[] file = ZipBuilder.OfPickle(pickle.Done(), ("0", new byte[4000]));
        if (opens)
            Open(file).Dispose();
        else
            Should.Throw<WeightFileException>(() => Open(file)).Message.ShouldContain("too often");
    }

    private static byte[] One(string key, string storage, int count, int offset, int[] shape, int[] strides) =>
        new PickleBuilder().Op('}').Text("a").Tensor(key, storage, count, offset, shape, strides).Op('s').Done();

    private TorchArchive Open(byte[] file) => TorchArchive.Open(SafetensorsBytes.Write(_folder, "x.bin", file));
}
