using Mesh.Models.Weights;
using Mesh.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Weights;

public sealed class StrictLoaderTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Load_EqualNames_FillsInPlaceAndReports()
    {
        var target = Zeros(("a.weight", [2, 2]), ("a.bias", [2]));
        var memory = target["a.weight"];
        using var source = Source(("a.weight", [2, 2]), ("a.bias", [2]), ("model.position_ids", [7]), ("attend.scale", [1]), ("model_ema.x", [1]));
        var report = StrictLoader.Load(target, source);
        memory.data<float>().ToArray().ShouldBe([1, 2, 3, 4]);
        (report.Tensors, report.Parameters, report.Bytes).ShouldBe((2, 6, 24));
        report.Ignored.ShouldBe(["model.position_ids", "attend.scale", "model_ema.x"], ignoreOrder: true);
    }

    [Fact]
    public void Load_DifferentNamesAndShapes_OneErrorWithTheFirstOfEachAndNothingChanged()
    {
        var target = Zeros(("a", [2]), ("b", [2]), ("c", [4, 3]), ("d", [1]));
        using var source = Source(("a", [2]), ("c", [3, 4]), ("stranger", [1]));
        var fault = Should.Throw<WeightMismatchException>(() => StrictLoader.Load(target, source));
        fault.Missing.ShouldBe(["b", "d"]);
        fault.Unexpected.ShouldBe(["stranger"]);
        fault.WrongShape.ShouldBe(["c"]);
        fault.Message.ShouldContain("2 missing: 'b', 'd'");
        fault.Message.ShouldContain("1 unexpected: 'stranger'");
        fault.Message.ShouldContain("'c' is [3, 4] instead of [4, 3]");
        target["a"].data<float>().ToArray().ShouldBe([0, 0]);
    }

    [Fact]
    public void Load_HundredsOfDifferences_MessageStaysShort()
    {
        var target = Zeros([.. Enumerable.Range(0, 500).Select(i => ($"layer.{i}.weight", new long[] { 1 }))]);
        using var source = Source(("x", [1]));
        Should.Throw<WeightMismatchException>(() => StrictLoader.Load(target, source)).Message.Length.ShouldBeLessThan(500);
    }

    [Theory]
    [InlineData("text_model.final_layer_norm.weight", "final_layer_norm.weight")]
    [InlineData("final_layer_norm.weight", "text_model.final_layer_norm.weight")]
    [InlineData("decoder.mid_block.attentions.0.to_q.weight", "decoder.mid_block.attentions.0.query.weight")]
    [InlineData("encoder.mid_block.attentions.0.to_out.0.bias", "encoder.mid_block.attentions.0.proj_attn.bias")]
    public void Load_OtherNameOfTheSame_Taken(string expected, string stored)
    {
        var target = Zeros((expected, [2]));
        using var source = Source((stored, [2]));
        StrictLoader.Load(target, source).Tensors.ShouldBe(1);
        target[expected].data<float>().ToArray().ShouldBe([1, 2]);
    }

    [Fact]
    public void Load_OldAttentionAsConvolution_Squeezed()
    {
        var target = Zeros(("decoder.mid_block.attentions.0.to_k.weight", [2, 2]));
        using var source = Source(("decoder.mid_block.attentions.0.key.weight", [2, 2, 1, 1]));
        StrictLoader.Load(target, source);
        target.Values.Single().data<float>().ToArray().ShouldBe([1, 2, 3, 4]);
        // Elsewhere a convolution is no matrix.
        Should.Throw<WeightMismatchException>(() => StrictLoader.Load(Zeros(("proj_in.weight", [2, 2])), Source(("proj_in.weight", [2, 2, 1, 1]))));
    }

    [Fact]
    public void Load_BothOldAndNewName_OldIsIgnored()
    {
        var target = Zeros(("encoder.mid_block.attentions.0.to_v.weight", [1]));
        using var source = Source(("encoder.mid_block.attentions.0.to_v.weight", [1]), ("encoder.mid_block.attentions.0.value.weight", [1]));
        StrictLoader.Load(target, source).Ignored.ShouldBe(["encoder.mid_block.attentions.0.value.weight"]);
    }

    [Theory]
    [InlineData(float.NaN, ScalarType.Float32)]
    [InlineData(float.NegativeInfinity, ScalarType.BFloat16)]
    [InlineData(70000f, ScalarType.Float16)]
    public void Load_NotFiniteOnceThere_ErrorNamesTheTensor(float value, ScalarType type)
    {
        string path = SafetensorsBytes.Write(_folder, "x.safetensors",
            SafetensorsBytes.Of("""{"good":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"bad":{"dtype":"F32","shape":[40],"data_offsets":[4,164]}}""",
                SafetensorsBytes.Floats([1, .. Enumerable.Repeat(2f, 38), value, 3])));
        using var source = SafetensorsFile.Open(path);
        Dictionary<string, Tensor> Target() => new() { ["good"] = zeros(1, dtype: type), ["bad"] = zeros(40, dtype: type) };
        string message = Should.Throw<WeightFileException>(() => StrictLoader.Load(Target(), source)).Message;
        message.ShouldContain("'bad'");
        message.ShouldNotContain("'good'");
        StrictLoader.Load(Target(), source, new LoadOptions { AllowNotFinite = true }).Tensors.ShouldBe(2);
    }

    [Fact]
    public void Check_NamesAndShapesOnly_SameVerdict()
    {
        using var source = Source(("a", [2]), ("extra", [1]));
        Should.Throw<WeightMismatchException>(() => StrictLoader.Check(new Dictionary<string, long[]> { ["a"] = [2] }, source));
        StrictLoader.Check(new Dictionary<string, long[]> { ["a"] = [2] }, source, new LoadOptions { Ignore = n => n == "extra" });
    }

    private static Dictionary<string, Tensor> Zeros(params (string Name, long[] Shape)[] tensors) => tensors.ToDictionary(t => t.Name, t => zeros(t.Shape));

    private SafetensorsFile Source(params (string Name, long[] Shape)[] tensors)
    {
        string path = _folder.File($"{Guid.NewGuid():n}.safetensors");
        SafetensorsWriter.Write(path, tensors.ToDictionary(t => t.Name, t => arange(1, t.Shape.Aggregate(1L, (a, b) => a * b) + 1, dtype: ScalarType.Float32).reshape(t.Shape)));
        return SafetensorsFile.Open(path);
    }
}
