using Mesh.Cli.Doctor;
using Spectre.Console;

namespace Mesh.Cli.Tests.Doctor;

public sealed class DoctorTests
{
    [Fact]
    public void Examination_OfAMachineThatBuilds_FindsNothingNeededMissing()
    {
        var findings = Examination.Run().ToList();

        findings.Select(x => x.What).ShouldBe(["runtime", "processor", "memory", "disk", "tensors", "devices", "redis-server"]);
        findings.ShouldNotContain(x => x.Verdict == Verdict.Needed);
        findings.Single(x => x.What == "tensors").Found.ShouldContain("libtorch");
    }

    [Theory]
    [InlineData(Verdict.Good, 0)]
    [InlineData(Verdict.Optional, 0)]
    [InlineData(Verdict.Needed, 1)]
    public void Report_ExitCode_TellsWhetherSomethingNeededIsMissing(object verdict, int code)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), ColorSystem = ColorSystemSupport.NoColors });

        DoctorCommand.Report([new("thing", (Verdict)verdict, "as found", "do this [now]")], console).ShouldBe(code);

        text.ToString().ShouldContain("as found");
        text.ToString().ShouldContain("do this [now]");
    }
}
