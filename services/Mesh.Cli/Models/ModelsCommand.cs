using System.CommandLine;
using Mesh.Cli.Verify;

namespace Mesh.Cli.Models;

/// <summary><c>mesh models</c>: work on model folders and weight files. Its verbs are added here, one line each.</summary>
internal static class ModelsCommand
{
    public static Command Create() => new("models", "Inspect, verify, convert and fetch models.")
    {
        InspectCommand.Create(),
        VerifyCommand.Create(),
        ConvertCommand.Create(),
        PullCommand.Create(),
    };
}
