using System.CommandLine;

namespace Mesh.Cli.Generate;

/// <summary><c>mesh generate</c>: pictures of a text, by a mesh or, with <c>--local</c>, in this process.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var options = new GenerateOptions();
        var command = new Command("generate", "Make pictures of a text.");
        options.AddTo(command);
        command.SetAction((words, cancel) => words.GetValue(options.Local) is null
            ? MeshGeneration.RunAsync(options, words, cancel)
            : LocalGeneration.RunAsync(options, words, cancel));
        return command;
    }
}
