using Mesh.Cli.Verify;
using TorchSharp;

namespace Mesh.Models.GoldenTests;

/// <summary>The same checks as <c>mesh models verify</c>, a test a case.</summary>
public sealed class GoldenTests
{
    public static TheoryData<string, string> Cases
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (group, name) in GoldenFolder.Cases())
                data.Add(group, name);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Case_ComputedHere_EqualsReference(string group, string name)
    {
        var rows = GoldenRunner.RunCase(GoldenFolder.Current, GoldenGroups.Find(group)!, name);

        rows.ShouldNotBeEmpty();
        var failed = rows.Where(r => !r.Check.Ok).Select(r => $"{r.Check.What}: {r.Check.Error:0.0e+0} > {r.Check.Tolerance:0.0e+0} {r.Check.Note}");
        failed.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("unet", "sd15_tiny")]
    [InlineData("unet", "sdxl_tiny")]
    [InlineData("text", "clip_l_tiny")]
    [InlineData("vae", "kl_tiny")]
    public void Case_ComputedInBFloat16_StaysWithinThreePercent(string group, string name)
    {
        var rows = GoldenRunner.RunCase(GoldenFolder.Committed, GoldenGroups.Find(group)!, name, torch.ScalarType.BFloat16);

        rows.Where(r => !r.Check.Ok).Select(r => $"{r.Check.What}: {r.Check.Error:0.0e+0} {r.Check.Note}").ShouldBeEmpty();
        rows.Max(r => r.Check.Error).ShouldBeGreaterThan(1e-4, "bf16 has eight bits, so a smaller error means that it was not used");
    }

    [Fact]
    public void CommittedGroups_All_AreBuilt() =>
        GoldenRunner.GroupsIn(GoldenFolder.Committed).Where(g => GoldenGroups.Find(g) is null).ShouldBeEmpty();
}
