using System.CommandLine;
using Mesh.Cli.Serving;
using Mesh.Client;
using Mesh.Contracts.Trainer.V1;
using Mesh.Training.Configuration;

namespace Mesh.Cli.Jobs;

/// <summary><c>mesh jobs</c>: training jobs of a running mesh.</summary>
internal static class JobsCommand
{
    private static readonly string[] States = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];

    public static Command Create()
    {
        var command = new Command("jobs", "Training jobs of a running mesh.");
        foreach (var one in new[]
        {
            Submit(), List(), Watch(),
            Change("cancel", "End a job; one that runs keeps a checkpoint.", (x, id, cancel) => x.CancelAsync(id, cancel)),
            Change("pause", "Take a job out of the queue until it is resumed.", (x, id, cancel) => x.PauseAsync(id, cancel)),
            Change("resume", "Put a paused job back into the queue.", (x, id, cancel) => x.ResumeAsync(id, cancel)),
            Checkpoints(), Promote(), RollBack(),
        })
        {
            command.Subcommands.Add(one);
        }
        return command;
    }

    private static Command Submit()
    {
        var kind = new Argument<string>("KIND") { Description = "Such as flow." };
        var config = new Option<string>("--config") { Description = "The job's configuration, YAML or JSON.", Required = true };
        var title = new Option<string?>("--title") { Description = "For people." };
        var priority = new Option<string>("--priority") { Description = "low, normal or high.", DefaultValueFactory = _ => "normal" };
        var shards = new Option<int>("--shards") { Description = "In how many parts it is done.", DefaultValueFactory = _ => 1 };
        var watch = new Option<bool>("--watch") { Description = "Tell what happens until it is over." };
        priority.AcceptOnlyFromAmong("low", "normal", "high");
        return Made("submit", "Put a job into the queue.", [kind], [config, title, priority, shards, watch], async (words, trainer, console, cancel) =>
        {
            var job = await trainer.SubmitAsync(
                words.GetRequiredValue(kind), Json(await File.ReadAllTextAsync(words.GetRequiredValue(config), cancel)),
                x =>
                {
                    (x.Title, x.Shards) = (words.GetValue(title) ?? "", words.GetValue(shards));
                    x.Priority = Enum.Parse<JobPriority>(words.GetRequiredValue(priority), ignoreCase: true);
                },
                cancel);
            await console.WriteLineAsync(job.Id);
            return words.GetValue(watch) ? await JobLines.FollowAsync(trainer, job.Id, 0, console, cancel) : ExitCode.Done;
        });
    }

    private static Command List()
    {
        var state = new Option<string[]>("--state") { Description = $"Those in this state ({string.Join(", ", States)}). May stand several times.", DefaultValueFactory = _ => [] };
        var kind = new Option<string?>("--kind") { Description = "Those of this kind." };
        var most = new Option<int>("--most") { Description = "At most so many.", DefaultValueFactory = _ => 50 };
        state.AcceptOnlyFromAmong(States);
        return Made("list", "Jobs, the newest first.", [], [state, kind, most], async (words, trainer, console, cancel) =>
        {
            var left = words.GetValue(most);
            var states = (words.GetValue(state) ?? []).Select(x => Enum.Parse<JobState>(x, ignoreCase: true));
            await foreach (var job in trainer.ListAsync(states, words.GetValue(kind), cancel))
            {
                if (left-- <= 0) break;
                await console.WriteLineAsync(JobLines.Of(job));
            }
            return ExitCode.Done;
        });
    }

    private static Command Watch()
    {
        var first = new Option<long>("--from") { Description = "The number of the first event.", DefaultValueFactory = _ => 0 };
        var id = Id();
        return Made("watch", "Tell what happens in a job until it is over.", [id], [first], (words, trainer, console, cancel) =>
            JobLines.FollowAsync(trainer, words.GetRequiredValue(id), words.GetValue(first), console, cancel));
    }

    private static Command Change(string name, string description, Func<TrainerClient, string, CancellationToken, Task<Job>> change)
    {
        var id = Id();
        return Made(name, description, [id], [], async (words, trainer, console, cancel) =>
        {
            await console.WriteLineAsync(JobLines.Of(await change(trainer, words.GetRequiredValue(id), cancel)));
            return ExitCode.Done;
        });
    }

    private static Command Checkpoints()
    {
        var id = Id();
        return Made("checkpoints", "What a job has made so far.", [id], [], async (words, trainer, console, cancel) =>
        {
            foreach (var one in await trainer.ListCheckpointsAsync(words.GetRequiredValue(id), cancel)) await console.WriteLineAsync(JobLines.Of(one));
            return ExitCode.Done;
        });
    }

    private static Command Promote()
    {
        var id = Id();
        var model = new Option<string>("--model") { Description = "The id of the model whose place it takes.", Required = true };
        var evaluation = new Option<string>("--evaluation") { Description = "The evaluate job that judged it.", Required = true };
        var bounds = new Option<string[]>("--require") { Description = "A bound, such as unseen.caption_accuracy>=0.5 or unseen.frechet<=40. May stand several times.", Required = true };
        return Made("promote", "Serve what a job made, where its evaluation is good enough.", [id], [model, evaluation, bounds], async (words, trainer, console, cancel) =>
        {
            var request = new PromoteCheckpointRequest { JobId = words.GetRequiredValue(id), Model = words.GetRequiredValue(model), EvaluationJobId = words.GetRequiredValue(evaluation) };
            request.Thresholds.AddRange(words.GetRequiredValue(bounds).Select(JobLines.ReadBound));
            var done = await trainer.PromoteAsync(request, cancel);
            await console.WriteLineAsync(JobLines.Of(done.Version));
            return ExitCode.Done;
        });
    }

    private static Command RollBack()
    {
        var model = new Argument<string>("MODEL") { Description = "The id of a model." };
        return Made("rollback", "Serve the version of a model before the present one.", [model], [], async (words, trainer, console, cancel) =>
        {
            await console.WriteLineAsync(JobLines.Of((await trainer.RollBackAsync(words.GetRequiredValue(model), cancel)).Version));
            return ExitCode.Done;
        });
    }

    private static Argument<string> Id() => new("ID") { Description = "The job's." };

    private static Command Made(
        string name, string description, Argument[] arguments, Option[] options, Func<ParseResult, TrainerClient, TextWriter, CancellationToken, Task<int>> run)
    {
        var command = new Command(name, description);
        foreach (var argument in arguments) command.Arguments.Add(argument);
        foreach (var option in options) command.Options.Add(option);
        var connection = MeshConnection.OfTrainer();
        connection.AddTo(command);
        command.SetAction((words, cancel) => connection.UseTrainerAsync(words, x => run(words, x, words.InvocationConfiguration.Output, cancel)));
        return command;
    }

    /// <summary>A configuration file as JSON.</summary>
    private static string Json(string yaml)
    {
        var fields = JobFields.Parse(yaml);
        return $"{{{string.Join(", ", fields.Names.Select(x => $"{System.Text.Json.JsonSerializer.Serialize(x)}: {fields.Raw(x, "null").GetRawText()}"))}}}";
    }
}
