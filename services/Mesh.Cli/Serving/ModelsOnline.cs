using System.CommandLine;
using System.Globalization;
using Google.Protobuf;
using Mesh.Client;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Spectre.Console;

namespace Mesh.Cli.Serving;

/// <summary><c>mesh models</c> alone, <c>load</c> and <c>unload</c>: the models of a running mesh.</summary>
internal static class ModelsOnline
{
    private const int VersionLength = 12;

    /// <summary>Lets <paramref name="models"/> list the mesh's models, and adds the verbs that change them.</summary>
    public static void AddTo(Command models)
    {
        var connection = new MeshConnection();
        var json = new Option<bool>("--json") { Description = "As JSON, an object a line." };
        connection.AddTo(models);
        models.Options.Add(json);
        models.SetAction((words, cancel) => connection.UseAsync(words, mesh => ListAsync(mesh, words.InvocationConfiguration.Output, words.GetValue(json), cancel)));
        models.Subcommands.Add(Change("load", "Take a configured model into memory on every stage.", (mesh, id, cancel) => mesh.LoadModelAsync(id, cancel)));
        models.Subcommands.Add(Change("unload", "Let a model go on every stage; a later request takes it in again.", (mesh, id, cancel) => mesh.UnloadModelAsync(id, cancel)));
    }

    private static Command Change(string verb, string description, Func<MeshClient, string, CancellationToken, Task<IReadOnlyList<ReplicaOutcome>>> change)
    {
        var id = new Argument<string>("ID") { Description = "The model's." };
        var connection = new MeshConnection();
        var command = new Command(verb, description) { id };
        connection.AddTo(command);
        command.SetAction((words, cancel) => connection.UseAsync(words, async mesh =>
        {
            var outcomes = await change(mesh, words.GetRequiredValue(id), cancel);
            foreach (var x in outcomes)
                await words.InvocationConfiguration.Output.WriteLineAsync($"{x.Stage} {x.Address}: {((x.Status?.Code ?? 0) == 0 ? "done" : x.Status!.Message)}");
            return outcomes.All(x => (x.Status?.Code ?? 0) == 0) ? ExitCode.Done : ExitCode.Failed;
        }));
        return command;
    }

    private static async Task<int> ListAsync(MeshClient mesh, TextWriter output, bool asJson, CancellationToken cancel)
    {
        var standard = asJson ? "" : (await mesh.GetCapabilitiesAsync(cancel)).DefaultModel;
        var table = new Table().AddColumns("model", "version", "recipe", "size", "steps", "guidance", "previews", "LoRAs", "ControlNets", "in memory");
        await foreach (var x in mesh.ListModelsAsync(cancel))
        {
            if (asJson) await output.WriteLineAsync(JsonFormatter.Default.Format(x));
            else table.AddRow([.. Row(x, standard).Select(Markup.Escape)]);
        }
        if (asJson) return ExitCode.Done;
        var console = Terminal.Over(output);
        console.Write(table);
        if (standard.Length > 0) console.Line($"'{standard}' is what a request without a model gets.");
        return ExitCode.Done;
    }

    private static string[] Row(ModelInfo x, string standard) =>
    [
        x.Model.Id == standard ? $"{x.Model.Id} (default)" : x.Model.Id,
        x.Model.Version[..Math.Min(x.Model.Version.Length, VersionLength)],
        x.Recipe,
        string.Create(CultureInfo.InvariantCulture, $"{x.WidthPx} x {x.HeightPx}"),
        x.DefaultSteps.ToString(CultureInfo.InvariantCulture),
        x.DefaultGuidance.ToString("0.##", CultureInfo.InvariantCulture),
        x.Preview ? "yes" : "no",
        string.Join(", ", x.Loras),
        string.Join(", ", x.Controls),
        x.Loaded ? "yes" : "no",
    ];
}
