using System.CommandLine;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;

namespace Mesh.Cli.Train;

/// <summary><c>mesh train KIND</c>: runs a training job here, without any service.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var command = new Command("train", "Train here, without a service.");
        foreach (var kind in JobPlans.Kinds)
            command.Subcommands.Add(Of(kind));
        return command;
    }

    private static Command Of(string kind)
    {
        var config = new Option<string>("--config") { Description = "The job's configuration, YAML or JSON.", Required = true };
        var output = new Option<string>("--out") { Description = "Folder of the run: configuration, statistics, checkpoints, samples, result.", Required = true };
        var root = new Option<string?>("--root") { Description = "Folder below which all files lie that the configuration names; the current one by default." };
        var resume = new Option<bool>("--resume") { Description = "Go on from the newest whole checkpoint." };
        var dry = new Option<bool>("--dry-run") { Description = "Check the configuration, make one step, write nothing." };
        var command = new Command(kind, $"Runs a job of the kind {kind}.") { config, output, root, resume, dry };
        command.SetAction((parsed, cancel) => Task.Run(
            () =>
            {
                Run(
                    kind, parsed.GetValue(config)!, parsed.GetValue(output)!, parsed.GetValue(root) ?? Directory.GetCurrentDirectory(), parsed.GetValue(resume),
                    parsed.GetValue(dry), parsed.InvocationConfiguration.Output, cancel);
                return ExitCode.Done;
            },
            CancellationToken.None));
        return command;
    }

    private static void Run(
        string kind, string config, string output, string root, bool resume, bool dry, TextWriter console, CancellationToken cancel)
    {
        var plan = JobPlans.Parse(kind, File.ReadAllText(config), root);
        if (dry)
        {
            console.Write(plan.Resolved);
            foreach (var line in plan.Rehearse())
                console.WriteLine(line);
            return;
        }

        var progress = new TrainProgress(console);
        plan.Run(new JobContext(new RunFolder(output), resume, progress.Tell, cancel));
    }
}
