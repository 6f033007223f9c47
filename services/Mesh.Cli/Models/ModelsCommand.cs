using System.CommandLine;
using Mesh.Cli.Serving;
using Mesh.Cli.Verify;

namespace Mesh.Cli.Models;

/// <summary><c>mesh models</c>: the models of a running mesh, and work on model folders and weight files. Its verbs are added here, one line each.</summary>
internal static class ModelsCommand
{
    public static Command Create()
    {
        var command = new Command("models", "List the models of a running mesh; load and unload them; inspect, verify, convert and fetch model files.")
        {
            InspectCommand.Create(),
            VerifyCommand.Create(),
            ConvertCommand.Create(),
            PullCommand.Create(),
        };
        ModelsOnline.AddTo(command);
        return command;
    }
}
