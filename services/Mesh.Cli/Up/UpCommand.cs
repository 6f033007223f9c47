using System.CommandLine;
using System.Globalization;
using Mesh.Client;

namespace Mesh.Cli.Up;

/// <summary><c>mesh up</c>: the whole mesh on this machine, until it is told to stop.</summary>
internal static class UpCommand
{
    private static readonly TimeSpan PortPatience = TimeSpan.FromSeconds(5);

    public static Command Create()
    {
        var options = new UpOptions();
        var command = new Command("up", "Run the whole mesh on this machine, make a first image, and go on until Ctrl-C.");
        options.AddTo(command);
        command.SetAction((words, cancel) => RunAsync(options, words, cancel));
        return command;
    }

    private static async Task<int> RunAsync(UpOptions options, ParseResult words, CancellationToken cancel)
    {
        var output = words.InvocationConfiguration.Output;
        var tell = Teller(output);
        var config = ConfigFile.Read(words.GetValue(options.Config) ?? Variable("MESH_CONFIG"), options.ReadSettings(words));
        var wishes = options.Read(words, config);
        using var folder = RunFolder.Take(words.GetValue(options.Run) ?? Path.Combine(Variable("MESH_HOME") ?? ".mesh", "run"));
        await wishes.Grpc.WaitFreeAsync(options.Grpc.Name, PortPatience, cancel);
        await wishes.Http.WaitFreeAsync(options.Http.Name, PortPatience, cancel);
        if (wishes.Trainer is { } trainer) await trainer.Grpc.WaitFreeAsync(options.TrainerGrpc.Name, PortPatience, cancel);
        var key = words.GetValue(options.Key) ?? Variable("MESH_KEY");
        var start = TimeProvider.System.GetTimestamp();
        var mesh = await RunningMesh.StartAsync(wishes, config, folder, ServicePrograms.Beside(words.GetValue(options.Services)), key, tell, cancel);
        try
        {
            tell(string.Create(CultureInfo.InvariantCulture, $"ready after {TimeProvider.System.GetElapsedTime(start).TotalSeconds:0.0} s"));
            var first = Path.GetFullPath(Path.Combine(folder.Path, "..", "first.png"));
            await new Arrival(mesh.Reach, mesh.Http, tell).MakeFirstAsync(words.GetRequiredValue(options.Prompt), first, cancel);
            await output.WriteLineAsync(Directions(mesh.Reach, mesh.Http, words.GetRequiredValue(options.Prompt), folder.Logs));
            await output.FlushAsync(cancel);
            await Task.Delay(Timeout.Infinite, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            tell("stopping");
            await mesh.DisposeAsync();
        }
        tell("stopped");
        return ExitCode.Done;
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } set ? set : null;

    /// <summary>Messages come from several threads; each is a line.</summary>
    private static Action<string> Teller(TextWriter output)
    {
        var gate = new Lock();
        return line =>
        {
            lock (gate)
            {
                output.WriteLine($"mesh: {line}");
                output.Flush();
            }
        };
    }

    /// <summary>Both addresses, each with a command that can be pasted.</summary>
    private static string Directions(MeshClientOptions reach, string http, string prompt, string logs)
    {
        var address = reach.Address == MeshClientOptions.DefaultAddress ? "" : $" --address {reach.Address}";
        var trust = reach.AuthorityFile is { } file ? $" --ca {file}" : "";
        var trustHttp = reach.AuthorityFile is { } authority ? $" --cacert {authority}" : "";
        var key = reach.ApiKey is null ? "" : " -H \"Authorization: Bearer $MESH_KEY\"";
        return $$"""

              gRPC  {{reach.Address}}
                    ./mesh generate "{{prompt}}" --out apple.png{{address}}{{trust}}
              HTTP  {{http}}
                    curl -s{{trustHttp}} {{http}}/v1/images/generations -H 'Content-Type: application/json'{{key}} -d '{"prompt": "{{prompt}}", "response_format": "b64_json"}' | grep -o '"b64_json": *"[^"]*' | cut -d'"' -f4 | base64 -d >apple.png

              Logs are in {{logs}}. Ctrl-C stops the mesh.
            """;
    }
}
