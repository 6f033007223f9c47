using System.CommandLine;
using Spectre.Console;

namespace Mesh.Cli.Doctor;

/// <summary><c>mesh doctor</c>: a line for each thing that Mesh needs or profits from; exit code 1 where something needed is missing.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var command = new Command("doctor", "Say what this machine has, what it lacks, and what to do about it.");
        command.SetAction(_ => Report([.. Examination.Run()], AnsiConsole.Console));
        return command;
    }

    public static int Report(IReadOnlyList<Finding> findings, IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "", "");
        foreach (var finding in findings)
        {
            table.AddRow(new Markup(Mark(finding.Verdict)), new Text(finding.What), new Text(finding.Found));
            if (finding.Advice.Length > 0) table.AddRow(new Text(""), new Text(""), new Text(finding.Advice, new Style(Color.Grey)));
        }
        console.Write(table);
        return findings.Any(x => x.Verdict == Verdict.Needed) ? 1 : 0;
    }

    private static string Mark(Verdict verdict) => verdict switch
    {
        Verdict.Good => "[green]ok[/]",
        Verdict.Optional => "[yellow]without[/]",
        _ => "[red]missing[/]",
    };
}
