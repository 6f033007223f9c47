using System.CommandLine;
using System.Globalization;
using Mesh.Models.Networks;
using Mesh.Models.Recipes;
using Mesh.Models.Weights;
using Spectre.Console;

namespace Mesh.Cli.Models;

/// <summary><c>mesh models inspect</c>: what a model consists of, whether its weights fit its configuration, how it is stepped, and what is missing.</summary>
internal static class InspectCommand
{
    private const double Mebibyte = 1 << 20;
    private const int WidthWithoutTerminal = 200;

    public static Command Create()
    {
        var path = new Argument<string>("FOLDER") { Description = "A model folder, or a file of a few lines that describes a model." };
        var variant = new Option<string?>("--variant") { Description = "Preferred weights, such as fp16." };
        var command = new Command("inspect", "Say what a model consists of and what is missing.") { path, variant };
        command.SetAction(parsed =>
        {
            var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(parsed.InvocationConfiguration.Output) });
            // A pipe or a file has no width of its own; a table that is broken to 80 columns there cannot be searched.
            if (!console.Profile.Out.IsTerminal)
                console.Profile.Width = WidthWithoutTerminal;
            return Run(parsed.GetValue(path)!, parsed.GetValue(variant), console);
        });
        return command;
    }

    /// <summary>Prints the tables; <see cref="ExitCode.Done"/> only where nothing is missing or in doubt.</summary>
    internal static int Run(string path, string? variant, IAnsiConsole console)
    {
        var model = ModelDescription.Open(path);
        var folder = ModelFolder.Open(model.Folder, variant ?? model.Variant);
        var missing = new List<string>(folder.Missing);
        var table = new Table().AddColumns("component", "class", "tensors", "parameters", "type", "MiB", "weights");
        foreach (int column in (int[])[2, 3, 5])
            table.Columns[column].RightAligned();
        foreach (var component in folder.Components.Values)
            table.AddRow([.. Row(component, missing).Select(cell => new Text(cell))]);
        console.Write(table);
        foreach (string fault in Replacements(model))
            missing.Add(fault);
        var facts = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "");
        facts.AddRow(new Text("pipeline"), new Text(folder.PipelineClass ?? "not given"));
        AddRecipe(facts, model, folder, missing);
        facts.AddRow(new Text("missing"), new Text(missing.Count == 0 ? "nothing" : string.Join("\n", missing)));
        console.Write(facts);
        return missing.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static IEnumerable<string> Row(ModelComponent component, List<string> missing)
    {
        string name = component.Class ?? component.ConfiguredClass ?? "";
        if (!component.IsNetwork)
            return [component.Name, name, "", "", "", "", ""];
        try
        {
            var report = ComponentReport.Of(component);
            NetworkKeys.Check(component);
            string weights = report.Known is { } known ? $"{known.Checkpoint} {known.Part} {known.Precision}" : report.Variant ?? "plain";
            if (report.Files.Count > 1)
                weights = string.Create(CultureInfo.InvariantCulture, $"{weights}, {report.Files.Count} shards");
            return
            [
                component.Name, name, report.Tensors.ToString("N0", CultureInfo.InvariantCulture), report.Parameters.ToString("N0", CultureInfo.InvariantCulture),
                report.Types, (report.Bytes / Mebibyte).ToString("N1", CultureInfo.InvariantCulture), weights,
            ];
        }
        catch (Exception fault) when (fault is WeightFileException or ModelConfigException)
        {
            if (!missing.Any(m => m.StartsWith(component.Name + ":", StringComparison.Ordinal)))
                missing.Add($"{component.Name}: {fault.Message}");
            return [component.Name, name, "", "", "", "", "see below"];
        }
    }

    private static IEnumerable<string> Replacements(ModelDescription model)
    {
        foreach (string file in (model.Loras ?? []).Select(l => l.Path).Concat(model.UNetFile is { } unet ? [unet] : []))
        {
            string? fault = null;
            try
            {
                SafetensorsFile.Open(file).Dispose();
            }
            catch (WeightFileException e)
            {
                fault = e.Message;
            }
            if (fault is not null)
                yield return fault;
        }
    }

    private static void AddRecipe(Table facts, ModelDescription model, ModelFolder folder, List<string> missing)
    {
        try
        {
            var found = RecipeRecognition.Decide(model, folder);
            facts.AddRow(new Text("recipe"), new Text(string.Create(CultureInfo.InvariantCulture,
                $"{found.Recipe.Name}, {found.Recipe.Steps} steps, guidance {found.Recipe.Guidance}")));
            facts.AddRow(new Text("decided by"), new Text(found.Reason));
        }
        catch (Exception fault) when (fault is RecipeException or WeightFileException)
        {
            missing.Add($"recipe: {fault.Message}");
        }
    }
}
