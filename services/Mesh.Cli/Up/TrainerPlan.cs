namespace Mesh.Cli.Up;

/// <summary>A trainer beside the mesh: its root folder and where it listens.</summary>
/// <param name="Root">The folder below which data, jobs and promoted models lie; made where it is not there.</param>
/// <param name="Grpc">Where it takes calls.</param>
internal sealed record TrainerWish(string Root, ListenPlace Grpc);

/// <summary>What a trainer adds to a mesh: a queue that outlives it, itself, and models that it can replace.</summary>
internal static class TrainerPlan
{
    private const string Program = "Mesh.Trainer";

    /// <summary>
    /// The models as the stages are told of them: each by a description in the trainer's root, which names the given folder until a promotion replaces it.
    /// </summary>
    public static IReadOnlyList<(string Id, string Path)> Shelve(IReadOnlyList<(string Id, string Path)> models, TrainerWish? wish)
    {
        if (wish is null) return models;
        var shelf = Directory.CreateDirectory(Path.Combine(wish.Root, "models")).FullName;
        return [.. models.Select(x => (x.Id, Describe(Path.Combine(shelf, x.Id + ".model"), x.Path)))];
    }

    /// <summary>The programs to run, in the order of their start.</summary>
    /// <param name="wishes">What is asked of the mesh.</param>
    /// <param name="wish">What is asked of the trainer.</param>
    /// <param name="config">The services' configuration.</param>
    /// <param name="folder">Where the mesh lives.</param>
    /// <param name="command">The trainer's program with what all services are told.</param>
    /// <exception cref="ArgumentException">There is no Redis for its queue.</exception>
    public static IEnumerable<ChildSpec> Children(MeshWishes wishes, TrainerWish wish, ConfigFile config, RunFolder folder, IReadOnlyList<string> command)
    {
        var secrets = new Dictionary<string, string> { [MeshPlan.ParentVariable] = "stdin" };
        if (!config.Has("Trainer:Redis"))
        {
            var redis = OwnRedis.PlanQueue(folder, Directory.CreateDirectory(Path.Combine(wish.Root, "queue")).FullName)
                ?? throw new ArgumentException("a trainer needs redis-server on the PATH for its queue, or one that a --config file names as Trainer:Redis");
            secrets["Mesh__Trainer__Redis"] = redis.Connection;
            yield return redis.Spec;
        }
        string[] own =
        [
            $"--Mesh:Trainer:Root={wish.Root}", $"--Mesh:Trainer:Models={Path.Combine(wish.Root, "models")}", $"--Mesh:Trainer:Gateway={wishes.Grpc.ForClient(config.Has("Tls:Certificate"))}",
            $"--Mesh:Listen:Grpc={wish.Grpc}", "--Mesh:Listen:Http=",
        ];
        yield return new ChildSpec("trainer", [.. command, .. own], folder.StartLog("trainer")) { Environment = secrets, StopTurn = 0 };
    }

    /// <summary>The program.</summary>
    /// <exception cref="FileNotFoundException">It is not built.</exception>
    public static IReadOnlyList<string> Find(ServicePrograms programs) => programs.Find(Program);

    private static string Describe(string description, string model)
    {
        // What was promoted before goes on being served.
        if (!File.Exists(description)) File.WriteAllText(description, $"base: {model}\n");
        return description;
    }
}
