using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Weights;

public sealed class ShardedWeightsTests
{
    private static readonly string Golden = Repository.PathOf("tests", "goldens", "folders");

    [Theory]
    [InlineData(null, "diffusion_pytorch_model.safetensors.index.json")]
    [InlineData("fp16", "diffusion_pytorch_model.safetensors.index.fp16.json")]
    public void Find_ShardedFolder_HoldsTheSingleFilesTensors(string? variant, string index)
    {
        var found = WeightFiles.Find(Path.Combine(Golden, "tiny_sd15_sharded", "unet"), variant);
        found.IsSharded.ShouldBeTrue();
        Path.GetFileName(found.Main).ShouldBe(index);
        found.Paths().Count.ShouldBe(3);
        using var shards = found.Open();
        using var whole = WeightFiles.Find(Path.Combine(Golden, "tiny_sd15", "unet"), variant).Open();
        shards.Entries.Keys.ShouldBe(whole.Entries.Keys, ignoreOrder: true);
        foreach (string name in whole.Entries.Keys)
        {
            using var a = shards.Read(name, ScalarType.Float32);
            using var b = whole.Read(name, ScalarType.Float32);
            a.Equals(b).ShouldBeTrue(name);
        }
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../x.safetensors"}}""", "../x.safetensors")]
    [InlineData("""{"weight_map":{"a":"/x.safetensors"}}""", "/x.safetensors")]
    [InlineData("""{"weight_map":{"a":"..\\x.safetensors"}}""", "x.safetensors")]
    [InlineData("""{"weight_map":{"a":"x.bin"}}""", "x.bin")]
    [InlineData("""{"weight_map":{"a":1}}""", "'a'")]
    [InlineData("""{"weight_map":{"a":"s.safetensors","a":"s.safetensors"}}""", "twice")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""{}""", "weight_map")]
    [InlineData("""[]""", "weight_map")]
    [InlineData("""{"weight_map":{"a":"t.safetensors"}}""", "t.safetensors")]
    [InlineData("""{"weight_map":{"a":"s.safetensors","b":"s.safetensors"}}""", "'b'")]
    [InlineData("""{"weight_map":{}""", "not valid JSON")]
    public void Open_BadIndex_OneErrorThatNamesTheFault(string index, string named)
    {
        using var folder = new TempFolder();
        SafetensorsWriter.Write(folder.File("s.safetensors"), [new TensorToWrite("a", DType.U8, [0], _ => { })], null);
        string path = folder.File("x.safetensors.index.json");
        File.WriteAllText(path, index);
        Should.Throw<WeightFileException>(() => ShardedWeights.Open(path)).Message.ShouldContain(named);
    }

    [Fact]
    public void Open_TensorThatTheIndexDoesNotPlace_ErrorNamesIt()
    {
        using var folder = new TempFolder();
        SafetensorsWriter.Write(folder.File("s.safetensors"), [new TensorToWrite("a", DType.U8, [0], _ => { }), new TensorToWrite("stray", DType.U8, [0], _ => { })], null);
        string path = folder.File("x.safetensors.index.json");
        File.WriteAllText(path, """{"weight_map":{"a":"s.safetensors"}}""");
        Should.Throw<WeightFileException>(() => ShardedWeights.Open(path)).Message.ShouldContain("'stray'");
    }

    [Fact]
    public void Find_LegacyVariantIndex_Found()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("model.safetensors.fp16.index.json"), "{}");
        WeightFiles.Find(folder.Path, "fp16").Main.ShouldEndWith("model.safetensors.fp16.index.json");
    }

    [Fact]
    public void Find_VariantOnlyWhereItIs_PlainElsewhere()
    {
        string model = Path.Combine(Golden, "tiny_sd15");
        WeightFiles.Find(Path.Combine(model, "unet"), "fp16").Variant.ShouldBe("fp16");
        WeightFiles.Find(Path.Combine(model, "text_encoder"), "fp16").Variant.ShouldBeNull();
        WeightFiles.Variants(Path.Combine(model, "unet")).ShouldBe(["fp16"]);
        WeightFiles.Variants(Path.Combine(Golden, "tiny_sd15_sharded", "unet")).ShouldBe(["fp16"]);
    }

    [Fact]
    public void Find_NothingUsable_SaysWhatIsThere()
    {
        using var folder = new TempFolder();
        Should.Throw<WeightFileException>(() => WeightFiles.Find(folder.Path)).Message.ShouldContain("no weights");
        Should.Throw<WeightFileException>(() => WeightFiles.Find(folder.File("nothing"))).Message.ShouldContain("not there");
        File.WriteAllText(folder.File("model.fp16.safetensors"), "");
        Should.Throw<WeightFileException>(() => WeightFiles.Find(folder.Path)).Message.ShouldContain("fp16");
        Should.Throw<WeightFileException>(() => WeightFiles.Find(folder.Path, "bf16")).Message.ShouldContain("fp16");
        Should.Throw<WeightFileException>(() => WeightFiles.Find(folder.Path, "../x")).Message.ShouldContain("variant");
        File.Delete(folder.File("model.fp16.safetensors"));
        File.WriteAllText(folder.File("pytorch_model.bin"), "");
        Should.Throw<WeightFileException>(() => WeightFiles.Find(folder.Path)).Message.ShouldContain("mesh models convert");
    }
}
