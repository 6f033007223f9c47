using System.CommandLine;
using System.Globalization;

namespace Mesh.Cli.Up;

/// <summary>The words of <c>mesh up</c>.</summary>
internal sealed class UpOptions
{
    private const int MostReplicas = 16;
    private const string DefaultGrpc = "127.0.0.1:50051";
    private const string DefaultHttp = "127.0.0.1:8080";
    private const string DefaultTrainer = "127.0.0.1:50065";

    public Option<string?> Grpc { get; } = new("--grpc") { Description = $"Where gRPC calls are taken: PORT or ADDRESS:PORT. Default: {DefaultGrpc}." };

    public Option<string?> Http { get; } = new("--http") { Description = $"Where HTTP requests are taken: PORT or ADDRESS:PORT. Default: {DefaultHttp}." };

    public Option<string[]> Model { get; } = Many("--model", "A model to serve, ID=FOLDER or FOLDER; the first is the default one. May stand several times. Default: the built-in one.");

    public Option<string[]> Lora { get; } = Many("--lora", "A LoRA that requests can name, NAME=FILE. May stand several times.");

    public Option<string[]> Control { get; } = Many("--control", "A ControlNet that requests can name, ID=FOLDER. May stand several times.");

    public Option<string[]> Upsampler { get; } = Many("--upsampler", "An upsampler, ID=FOLDER. May stand several times.");

    public Option<string?> Config { get; } = new("--config") { Description = "A JSON file with any setting of the services. Default: MESH_CONFIG." };

    public Option<string[]> Set { get; } = Many("--set", "A setting of the services, such as Batching:MaxBatch=4. May stand several times.");

    public Option<string[]> Replicas { get; } = Many("--replicas", "Processes of a stage, such as generator=2. May stand several times.");

    public Option<bool> OneProcess { get; } = new("--one-process") { Description = "All services in one process, for small machines." };

    public Option<bool> NoRedis { get; } = new("--no-redis") { Description = "Run no Redis." };

    public Option<string?> Trainer { get; } = new("--trainer") { Description = "Also run a trainer, with this folder for its data, jobs and models." };

    public Option<string> TrainerGrpc { get; } = new("--trainer-grpc") { Description = "Where the trainer takes gRPC calls: PORT or ADDRESS:PORT.", DefaultValueFactory = _ => DefaultTrainer };

    public Option<string> Prompt { get; } = new("--prompt") { Description = "What the first image shows.", DefaultValueFactory = _ => "3d emoji of a red apple" };

    public Option<string?> Key { get; } = new("--key") { Description = "An API key for the first image, where the mesh asks for one. Default: MESH_KEY." };

    public Option<string?> Run { get; } = new("--run") { Description = "Where logs, sockets and Redis live. Default: .mesh/run." };

    public Option<string?> Services { get; } = new("--services") { Description = "Where the services' programs lie, when not beside this one." };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { Grpc, Http, Model, Lora, Control, Upsampler, Config, Set, Replicas, OneProcess, NoRedis, Trainer, TrainerGrpc, Prompt, Key, Run, Services })
            command.Options.Add(option);
    }

    /// <summary>What the words ask for, and the configuration where they say nothing.</summary>
    /// <exception cref="ArgumentException">A word is not as it must be.</exception>
    /// <exception cref="IOException">A folder or file that a word names is not there.</exception>
    public MeshWishes Read(ParseResult words, ConfigFile config) => new()
    {
        Grpc = ListenPlace.Parse(words.GetValue(Grpc) ?? config.Text("Listen:Grpc") ?? DefaultGrpc, Grpc.Name),
        Http = ListenPlace.Parse(words.GetValue(Http) ?? config.Text("Listen:Http") ?? DefaultHttp, Http.Name),
        Models = [.. (words.GetValue(Model) ?? []).Select(x => Place(x, Model.Name, nameIsOptional: true))],
        Loras = [.. (words.GetValue(Lora) ?? []).Select(x => Place(x, Lora.Name))],
        Controls = [.. (words.GetValue(Control) ?? []).Select(x => Place(x, Control.Name))],
        Upsamplers = [.. (words.GetValue(Upsampler) ?? []).Select(x => Place(x, Upsampler.Name, nameIsOptional: true))],
        Settings = ReadSettings(words),
        Replicas = (words.GetValue(Replicas) ?? []).Select(Count).ToDictionary(x => x.Stage, x => x.Count),
        OneProcess = words.GetValue(OneProcess),
        WithRedis = !words.GetValue(NoRedis),
        Trainer = words.GetValue(Trainer) is { } root ? new TrainerWish(Path.GetFullPath(root), ListenPlace.Parse(words.GetRequiredValue(TrainerGrpc), TrainerGrpc.Name)) : null,
        BuiltInModel = BuiltIn(),
    };

    /// <summary>What <c>ID=FOLDER</c> or <c>FOLDER</c> names; null: the built-in model.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    /// <exception cref="IOException">It is not there.</exception>
    public static (string Id, string Path) ReadModel(string? text, string option) =>
        Place(text ?? BuiltIn() ?? throw new ArgumentException($"the built-in model is not installed: name another with {option}"), option, nameIsOptional: true);

    private static Option<string[]> Many(string name, string description) => new(name) { Description = description, DefaultValueFactory = _ => [] };

    private static (string Id, string Path) Place(string text, string option, bool nameIsOptional = false)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(text[(equals + 1)..]));
        var id = equals > 0 ? text[..equals] : Path.GetFileNameWithoutExtension(path);
        if (equals == 0 || (equals < 0 && !nameIsOptional)) throw new ArgumentException($"{option} {text}: write NAME=PATH");
        if (id.Contains(':', StringComparison.Ordinal)) throw new ArgumentException($"{option} {text}: '{id}' must have no ':' in it");
        return Path.Exists(path) ? (id, path) : throw new FileNotFoundException($"{option} {text}: {path} is not there");
    }

    /// <summary>What <c>--set</c> says, in its order.</summary>
    /// <exception cref="ArgumentException">A word is not as it must be.</exception>
    public IReadOnlyList<(string Key, string Value)> ReadSettings(ParseResult words) => [.. (words.GetValue(Set) ?? []).Select(x => ReadPair(x, Set.Name))];

    /// <summary>What <c>KEY=VALUE</c> says.</summary>
    /// <exception cref="ArgumentException">It is not written so.</exception>
    public static (string Key, string Value) ReadPair(string text, string option)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 ? (text[..equals], text[(equals + 1)..]) : throw new ArgumentException($"{option} {text}: write SECTION:KEY=VALUE");
    }

    private (string Stage, int Count) Count(string text)
    {
        var (stage, number) = ReadPair(text, Replicas.Name);
        if (!MeshPlan.StageNames.Contains(stage)) throw new ArgumentException($"{Replicas.Name} {text}: the stages are {string.Join(", ", MeshPlan.StageNames)}");
        return int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is >= 1 and <= MostReplicas
            ? (stage, count)
            : throw new ArgumentException($"{Replicas.Name} {text}: from 1 to {MostReplicas} processes");
    }

    /// <summary>The model that comes with Mesh: above this program in a source tree, beside it in a publication.</summary>
    private static string? BuiltIn()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            foreach (var place in new[] { Path.Combine(folder.FullName, "deploy", "models", "emoji"), Path.Combine(folder.FullName, "models", "emoji") })
            {
                if (File.Exists(Path.Combine(place, "model_index.json"))) return place;
            }
        }
        return null;
    }
}
