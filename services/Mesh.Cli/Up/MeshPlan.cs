namespace Mesh.Cli.Up;

/// <summary>What the command line asks of a mesh.</summary>
internal sealed record MeshWishes
{
    /// <summary>Of gRPC calls.</summary>
    public required ListenPlace Grpc { get; init; }

    /// <summary>Of HTTP requests.</summary>
    public required ListenPlace Http { get; init; }

    /// <summary>Id and folder; the first is the default.</summary>
    public IReadOnlyList<(string Id, string Path)> Models { get; init; } = [];

    public IReadOnlyList<(string Id, string Path)> Loras { get; init; } = [];

    public IReadOnlyList<(string Id, string Path)> Controls { get; init; } = [];

    public IReadOnlyList<(string Id, string Path)> Upsamplers { get; init; } = [];

    /// <summary>Processes a stage; 1 where a stage is not named.</summary>
    public IReadOnlyDictionary<string, int> Replicas { get; init; } = new Dictionary<string, int>();

    /// <summary>Keys under <c>Mesh</c> with their values, for every process.</summary>
    public IReadOnlyList<(string Key, string Value)> Settings { get; init; } = [];

    public bool OneProcess { get; init; }

    public bool WithRedis { get; init; } = true;

    /// <summary>A trainer beside the mesh; null: none.</summary>
    public TrainerWish? Trainer { get; init; }

    /// <summary>The built-in model, for a mesh that is told of no other; null where it is not installed.</summary>
    public string? BuiltInModel { get; init; }
}

/// <summary>Which programs make a mesh, and how each is told of the others.</summary>
/// <param name="Children">In the order of their start.</param>
/// <param name="HasRedis">Whether a Redis of its own is among them.</param>
internal sealed record MeshPlan(IReadOnlyList<ChildSpec> Children, bool HasRedis)
{
    /// <summary>Tells a program to end with this one.</summary>
    public const string ParentVariable = "MESH_PARENT";

    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(10);

    private static readonly (string Stage, string Section, string Program)[] Stages =
    [
        ("text", "Text", "Mesh.TextEncoder"), ("generator", "Generator", "Mesh.Generator"), ("decoder", "Decoder", "Mesh.Decoder"), ("upsampler", "Upsampler", "Mesh.Upsampler"),
    ];

    /// <summary>The stages that <c>--replicas</c> can name.</summary>
    public static IEnumerable<string> StageNames => Stages.Select(x => x.Stage);

    /// <summary>Makes the plan; nothing runs yet.</summary>
    /// <exception cref="ArgumentException">Nothing can be served.</exception>
    /// <exception cref="FileNotFoundException">A service is not built.</exception>
    public static MeshPlan Make(MeshWishes wishes, ConfigFile config, RunFolder folder, ServicePrograms programs)
    {
        var redis = wishes.WithRedis && !config.Has("Redis:Cache") ? OwnRedis.Plan(folder) : null;
        var common = Common(wishes, config);
        var secrets = redis is null ? [] : new Dictionary<string, string> { ["Mesh__Redis__Cache"] = redis.Connection };
        var children = new List<ChildSpec>();
        if (redis is not null) children.Add(redis.Spec);
        if (wishes.Trainer is { } trainer) children.AddRange(TrainerPlan.Children(wishes, trainer, config, folder, [.. TrainerPlan.Find(programs), .. common]));
        string[] front = [$"--Mesh:Listen:Grpc={wishes.Grpc}", $"--Mesh:Listen:Http={wishes.Http}"];
        if (wishes.OneProcess)
        {
            children.Add(Service("mesh", programs.Find("Mesh.OneProcess"), [.. common, .. front], secrets, folder, turn: 0));
            return new MeshPlan(children, redis is not null);
        }

        var endpoints = new List<string>();
        foreach (var (stage, section, program) in Stages)
        {
            // A stage that the file places elsewhere is not ours to run; an upsampler without weights would be an idle process.
            if (config.Has($"Stages:{section}") || (stage == "upsampler" && !HasUpsampler(wishes, config))) continue;
            var count = wishes.Replicas.GetValueOrDefault(stage, 1);
            for (var i = 0; i < count; i++)
            {
                var name = count == 1 ? stage : $"{stage}-{i + 1}";
                var endpoint = $"unix:{folder.Socket(name)}";
                children.Add(Service(name, programs.Find(program), [.. common, $"--Mesh:Listen:Grpc={endpoint}", "--Mesh:Listen:Http="], [], folder, turn: 1));
                endpoints.Add($"--Mesh:Stages:{section}:{i}={endpoint}");
            }
        }
        children.Add(Service("gateway", programs.Find("Mesh.Gateway"), [.. common, .. front, .. endpoints], secrets, folder, turn: 0));
        return new MeshPlan(children, redis is not null);
    }

    private static bool HasUpsampler(MeshWishes wishes, ConfigFile config) =>
        wishes.Upsamplers.Count > 0 || config.Has("Upsamplers") || wishes.Replicas.ContainsKey("upsampler");

    private static ChildSpec Service(string name, IReadOnlyList<string> command, string[] arguments, Dictionary<string, string> secrets, RunFolder folder, int turn) =>
        new(name, [.. command, .. arguments], folder.StartLog(name))
        {
            Environment = new Dictionary<string, string>(secrets) { [ParentVariable] = "stdin" },
            StopTurn = turn,
        };

    private static List<string> Common(MeshWishes wishes, ConfigFile config)
    {
        var models = wishes.Models;
        if (models.Count == 0 && !config.Has("Models"))
        {
            if (wishes.BuiltInModel is null) throw new ArgumentException("there is no model to serve: name one with --model ID=FOLDER or in a --config file");
            models = [(Path.GetFileName(Path.TrimEndingDirectorySeparator(wishes.BuiltInModel)), wishes.BuiltInModel)];
        }
        models = TrainerPlan.Shelve(models, wishes.Trainer);
        var words = new List<string>();
        if (config.Path is not null) words.AddRange(["--config", config.Path]);
        if (!config.Has("Drain:Timeout")) words.Add($"--Mesh:Drain:Timeout={DrainTimeout}");
        if (models.Count > 0 && !config.Has("DefaultModel")) words.Add($"--Mesh:DefaultModel={models[0].Id}");
        words.AddRange(models.Select(x => $"--Mesh:Models:{x.Id}:Folder={x.Path}"));
        words.AddRange(wishes.Loras.Select(x => $"--Mesh:Loras:{x.Id}:File={x.Path}"));
        words.AddRange(wishes.Controls.Select(x => $"--Mesh:Controls:{x.Id}:Folder={x.Path}"));
        words.AddRange(wishes.Upsamplers.Select(x => $"--Mesh:Upsamplers:{x.Id}:Folder={x.Path}"));
        words.AddRange(wishes.Settings.Select(x => $"--Mesh:{x.Key}={x.Value}"));
        return words;
    }
}
