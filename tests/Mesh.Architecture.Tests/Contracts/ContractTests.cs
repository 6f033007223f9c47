using Mesh.Testing;

namespace Mesh.Architecture.Tests.Contracts;

/// <summary>Callers that were built against the committed contracts go on working.</summary>
public sealed class ContractTests
{
    private const string Refresh = "MESH_REFRESH_CONTRACTS";

    [Fact]
    public void Contracts_AgainstTheCommittedOnes_BreakNoCaller()
    {
        var compiled = ContractSet.Compiled();
        var breaks = File.Exists(Repository.PathOf(ContractSet.CommittedPath)) ? ContractComparer.Breaks(ContractSet.Committed(), compiled) : [];

        breaks.ShouldBeEmpty("A published contract only grows; a break is a v2 beside it (protos/README.md).");
        if (Environment.GetEnvironmentVariable(Refresh) == "1")
            ContractSet.Commit(compiled);
    }

    [Fact]
    public void CommittedContracts_Hold_TheServicesThatCallersKnow()
    {
        var services = ContractSet.Committed().File.SelectMany(file => file.Service.Select(x => $"{file.Package}.{x.Name}"));

        services.ShouldContain("mesh.image.v1.ImageService");
        services.ShouldContain("mesh.text.v1.TextEncoderService");
        services.ShouldContain("mesh.generator.v1.GeneratorService");
        services.ShouldContain("mesh.decoder.v1.DecoderService");
        services.ShouldContain("mesh.upsampler.v1.UpsamplerService");
    }

    [Fact]
    public void CommittedContracts_AgainstThemselves_BreakNothing() =>
        ContractComparer.Breaks(ContractSet.Committed(), ContractSet.Committed()).ShouldBeEmpty();

    [Fact]
    public void Contracts_WithoutAnyOneField_AreABreakThatNamesIt()
    {
        var committed = ContractSet.Committed();
        var messages = committed.File.Where(x => x.Package.StartsWith("mesh.", StringComparison.Ordinal))
            .SelectMany(file => file.MessageType.Select(message => (file.Package, Message: message))).ToList();
        messages.Sum(x => x.Message.Field.Count).ShouldBeGreaterThan(100);

        foreach (var (package, message) in messages)
        {
            for (var i = 0; i < message.Field.Count; i++)
            {
                var changed = committed.Clone();
                var fields = changed.File.Single(x => x.Package == package && x.MessageType.Any(y => y.Name == message.Name))
                    .MessageType.Single(x => x.Name == message.Name).Field;
                var name = fields[i].Name;
                fields.RemoveAt(i);

                ContractComparer.Breaks(committed, changed).ShouldHaveSingleItem().ShouldStartWith($"{package}.{message.Name}.{name}: the field");
            }
        }
    }

    [Fact]
    public void ProtoFile_InTheTree_IsCompiled()
    {
        var compiled = ContractSet.Compiled().File.Select(x => x.Name);

        Tree.Files(".proto").Where(x => x.StartsWith("protos/", StringComparison.Ordinal)).Select(x => x["protos/".Length..]).Except(compiled).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("lint")]
    [InlineData("breaking", "--against")]
    public async Task Contracts_UnderBuf_HaveNoFinding(params string[] arguments)
    {
        var against = arguments is [.., "--against"] ? new[] { Repository.PathOf(ContractSet.CommittedPath) } : [];
        var findings = await InteropProgram.RunToolAsync("buf", [.. arguments, .. against], Repository.PathOf("protos")).WaitAsync(TimeSpan.FromMinutes(5));

        findings.ShouldBeEmpty();
    }
}
