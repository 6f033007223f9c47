using System.Text.Json.Nodes;
using Mesh.Cli.Verify;
using static TorchSharp.torch;

namespace Mesh.Models.GoldenTests;

/// <summary>The harness has to fail where it should.</summary>
public sealed class HarnessTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-golden").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Numbers_OfVariantA_AreTheDocumentedOnes()
    {
        var numbers = new ProceduralNumbers("a");

        Enumerable.Range(0, 3).Select(i => numbers.Uniform("x", i)).Zip([0.13345349, 0.85842478, 0.10253423]).ShouldAllBe(p => Math.Abs(p.First - p.Second) < 1e-8);
        using var weight = numbers.Weight("t.weight", [2, 3]);
        weight.data<float>().ToArray().Zip([-0.2781f, -0.3217f, 0.3736f, 0.5642f, 0.6218f, 0.3750f]).ShouldAllBe(p => Math.Abs(p.First - p.Second) < 5e-5);
    }

    [Fact]
    public void Gaussian_Unchanged_Passes() => Run(Case("vae", "gaussian")).ShouldAllBe(r => r.Check.Ok);

    [Fact]
    public void UnknownField_InACase_Fails()
    {
        var rows = Run(Case("vae", "gaussian", json => json["surprise"] = 1));

        rows.Single(r => !r.Check.Ok).Check.What.ShouldBe("surprise");
    }

    [Fact]
    public void UnknownField_InsideAnObject_Fails()
    {
        var rows = Run(Case("unet", "sd15_tiny_faint", json => json["weights"]!["surprise"] = 1, "sd15_tiny"));

        rows.Single(r => !r.Check.Ok).Check.Note!.ShouldContain("weights.surprise");
    }

    [Fact]
    public void Tolerance_TooSmallForTheReference_StillAllowsTheProjectsOwn()
    {
        var rows = Run(Case("vae", "gaussian", json => json["tolerance"] = 0));

        rows.ShouldAllBe(r => r.Check.Ok && r.Check.Tolerance >= 1e-5);
    }

    [Fact]
    public void Variant_Another_GivesOtherWeightsAndFails()
    {
        var rows = Run(Case("unet", "sd15_tiny_faint", json => json["variant"] = "b", "sd15_tiny"));

        rows.ShouldContain(r => r.Check.What == "out.sample" && !r.Check.Ok);
    }

    [Fact]
    public void File_ThatIsMissing_IsNamed()
    {
        var rows = Run(Case("unet", "sd15_tiny_faint"));

        rows.Single(r => !r.Check.Ok).Check.Note!.ShouldContain("sd15_tiny");
    }

    [Fact]
    public void CaseName_Another_ChangesNothing()
    {
        var group = Case("vae", "gaussian");
        foreach (var file in Directory.GetFiles(Path.Combine(_folder, "vae")))
            File.Move(file, file.Replace("gaussian", "anything", StringComparison.Ordinal));

        Run(group).ShouldAllBe(r => r.Check.Ok);
    }

    [Fact]
    public void Run_WithAGroupThatIsNotBuilt_FailsUnlessOthersAreNamed()
    {
        Case("vae", "gaussian");
        Directory.CreateDirectory(Path.Combine(_folder, "unheard-of"));
        File.WriteAllText(Path.Combine(_folder, "unheard-of", "x.json"), "{}");

        var all = GoldenRunner.Run(_folder);
        all.Ok.ShouldBeFalse();
        all.NotBuilt.ShouldBe(["unheard-of"]);
        GoldenRunner.Run(_folder, ["vae"]).Ok.ShouldBeTrue();
        GoldenRunner.Run(_folder, ["unheard-of"]).Ok.ShouldBeFalse();
        GoldenRunner.Run(_folder, ["unet"]).Ok.ShouldBeFalse();
    }

    [Fact]
    public void Compare_NotANumber_Fails()
    {
        using var bad = tensor(new[] { 1f, float.NaN });
        using var good = tensor(new[] { 1f, 2f });

        Check.Tensors("x", bad, good, 1).Ok.ShouldBeFalse();
        Check.Tensors("x", good, bad, 1).Ok.ShouldBeFalse();
        Check.Tensors("x", good, good, 0).Ok.ShouldBeTrue();
    }

    [Fact]
    public void Compare_Integers_CountsDifferences()
    {
        using var a = tensor(new long[] { 1, 2, 3 });
        using var b = tensor(new long[] { 1, 5, 4 });

        var check = Check.Tensors("x", a, b, 1e9);
        check.Error.ShouldBe(2);
        check.Ok.ShouldBeFalse();
    }

    private IReadOnlyList<GoldenRow> Run(string group) =>
        [.. GoldenRunner.CasesIn(_folder, GoldenGroups.Find(group)!).Where(n => File.Exists(Path.Combine(_folder, group, n + ".safetensors")))
            .SelectMany(n => GoldenRunner.RunCase(_folder, GoldenGroups.Find(group)!, n))];

    /// <summary>Copies a case, changed, and the json of those that it refers to.</summary>
    private string Case(string group, string name, Action<JsonObject>? change = null, params string[] referred)
    {
        var (from, to) = (Path.Combine(GoldenFolder.Committed, group), Path.Combine(_folder, group));
        Directory.CreateDirectory(to);
        File.Copy(Path.Combine(from, name + ".safetensors"), Path.Combine(to, name + ".safetensors"));
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(from, name + ".json")))!.AsObject();
        change?.Invoke(json);
        File.WriteAllText(Path.Combine(to, name + ".json"), json.ToJsonString());
        foreach (var other in referred)
            File.Copy(Path.Combine(from, other + ".json"), Path.Combine(to, other + ".json"));
        return group;
    }
}
