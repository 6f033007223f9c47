using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using TorchSharp;

namespace Mesh.Cli.Verify;

/// <summary><c>mesh models verify</c>: recomputes golden data and prints a table of errors against tolerances.</summary>
public static class VerifyCommand
{
    private const int WidthOfAFile = 200;

    /// <summary>The command; its exit code is 0 only when every check holds.</summary>
    public static Command Create()
    {
        var golden = new Option<DirectoryInfo>("--golden") { Description = "Folder of golden cases: GROUP/CASE.json with GROUP/CASE.safetensors.", Required = true };
        var groups = new Option<string?>("--groups") { Description = "Only these groups, comma-separated." };
        var dtype = new Option<string>("--dtype")
        {
            Description = "fp32, or bf16: then networks compute in bfloat16 and the root mean square of their error is judged.",
            DefaultValueFactory = _ => "fp32",
        };
        dtype.AcceptOnlyFromAmong("fp32", "bf16");
        var all = new Option<bool>("--all") { Description = "Print every check, not only each case's worst." };
        var command = new Command("verify", "Recompute golden data and compare.") { golden, groups, dtype, all };
        command.SetAction(parsed => Run(
            parsed.GetValue(golden)!.FullName,
            parsed.GetValue(groups)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            parsed.GetValue(dtype) == "bf16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32,
            parsed.GetValue(all),
            parsed.InvocationConfiguration.Output));
        return command;
    }

    private static int Run(string directory, string[]? groups, torch.ScalarType computeType, bool all, TextWriter output)
    {
        var seconds = new Dictionary<(string, string), double>();
        var report = GoldenRunner.Run(directory, groups, computeType, (group, name, time) => seconds[(group, name)] = time);
        Print(report, seconds, all, Console(output));
        return report.Ok ? 0 : 1;
    }

    private static void Print(GoldenReport report, Dictionary<(string, string), double> seconds, bool all, IAnsiConsole console)
    {
        var table = new Table().AddColumns("group", "case", "what", "error", "tolerance", "s", "");
        foreach (var one in report.Rows.GroupBy(r => (r.Group, r.Case)))
        {
            var shown = one.Where(r => all || !r.Check.Ok).ToList();
            if (shown.Count == 0)
                shown.Add(one.MaxBy(r => r.Check.Error / Math.Max(r.Check.Tolerance, double.Epsilon))!);
            foreach (var row in shown)
            {
                var check = row.Check;
                var time = ReferenceEquals(row, shown[0]) && seconds.TryGetValue(one.Key, out var s) ? s.ToString("F1", CultureInfo.InvariantCulture) : "";
                var what = check.Note is null ? check.What : $"{check.What} ({check.Note})";
                table.AddRow(
                    new Text(row.Group), new Text(row.Case), new Text(what), new Text(Number(check.Error)), new Text(Number(check.Tolerance)), new Text(time),
                    check.Ok ? new Markup("[green]ok[/]") : new Markup("[red]FAILED[/]"));
            }
        }

        console.Write(table);
        var failed = report.Rows.Count(r => !r.Check.Ok);
        var summary = $"{report.Rows.Count} checks, {failed} failed";
        console.MarkupLineInterpolated(report.Ok ? (FormattableString)$"[green]{summary}[/]" : $"[red]{summary}[/]");
        if (report.NotBuilt.Count > 0)
            console.WriteLine("not built yet: " + string.Join(", ", report.NotBuilt));
    }

    /// <summary>A console over the command's output; lines that go into a file are not broken at a terminal's width.</summary>
    private static IAnsiConsole Console(TextWriter output)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        if (!console.Profile.Out.IsTerminal)
            console.Profile.Width = WidthOfAFile;
        return console;
    }

    private static string Number(double value) => double.IsNaN(value) ? "-" : value.ToString("0.0e+0", CultureInfo.InvariantCulture);
}
