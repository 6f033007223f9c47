using System.CommandLine;
using Mesh.Cli.Bench;
using Mesh.Cli.Doctor;
using Mesh.Cli.Generate;
using Mesh.Cli.Jobs;
using Mesh.Cli.Models;
using Mesh.Cli.Serving;
using Mesh.Cli.Train;
using Mesh.Cli.Up;

namespace Mesh.Cli;

/// <summary>
/// The tree of commands and the one place where a command's faults become a line on standard error and an exit code.
/// Each command lives in its own folder and is added here by one line.
/// </summary>
internal static class CommandTree
{
    /// <summary>All commands, ready to parse.</summary>
    public static RootCommand Create()
    {
        var root = new RootCommand("Mesh: text to image in one network step.");
        root.Subcommands.Add(UpCommand.Create());
        root.Subcommands.Add(GenerateCommand.Create());
        root.Subcommands.Add(UpscaleCommand.Create());
        root.Subcommands.Add(StatusCommand.Create());
        root.Subcommands.Add(KeyCommand.Create());
        root.Subcommands.Add(ModelsCommand.Create());
        root.Subcommands.Add(BenchCommand.Create());
        root.Subcommands.Add(TrainCommand.Create());
        root.Subcommands.Add(JobsCommand.Create());
        root.Subcommands.Add(DoctorCommand.Create());
        return root;
    }

    /// <summary>Runs one command line. Never throws: see <see cref="ExitCode"/> for what it returns.</summary>
    /// <param name="args">The words after the program's name.</param>
    /// <param name="output">Where results go.</param>
    /// <param name="error">Where faults go, one line each.</param>
    /// <param name="cancel">Stops the command; the result is then <see cref="ExitCode.Cancelled"/>.</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, TextWriter output, TextWriter error, CancellationToken cancel = default)
    {
        // A prompt may begin with '@', so words are never taken for the names of response files.
        var parsed = Create().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            foreach (var fault in parsed.Errors)
                await error.WriteLineAsync($"mesh: {OneLine(fault.Message)}");
            return ExitCode.Usage;
        }

        try
        {
            // Signals are heard by the program itself, which gives each command as long as it needs to stop.
            var settings = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null, Output = output, Error = error };
            return await parsed.InvokeAsync(settings, cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            await error.WriteLineAsync("mesh: cancelled");
            return ExitCode.Cancelled;
        }
#pragma warning disable CA1031 // The program's outermost boundary: whatever went wrong is told in one line.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            var known = IsExpected(fault);
            await error.WriteLineAsync($"mesh: {(known ? "" : $"internal error: {fault.GetType().Name}: ")}{OneLine(fault.Message)}");
            return known ? ExitCode.Failed : ExitCode.Internal;
        }
    }

    /// <summary>Faults that a user can cause (files, network, values) against bugs of ours.</summary>
    private static bool IsExpected(Exception fault) =>
        fault is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException or HttpRequestException or ArgumentException
        || fault.GetType().Namespace?.StartsWith("Mesh.", StringComparison.Ordinal) == true;

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").Trim();
}
