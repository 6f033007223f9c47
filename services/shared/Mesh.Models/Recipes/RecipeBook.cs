using System.Text.Json;
using Mesh.Models.Samplers;

namespace Mesh.Models.Recipes;

/// <summary>The recipes that are known by a word.</summary>
public static class RecipeBook
{
    private static readonly Dictionary<string, Func<JsonElement?, Recipe>> Entries = new(StringComparer.Ordinal)
    {
        ["instaflow"] = _ => Flow("instaflow", 1, 0),
        ["2-rf"] = _ => Flow("2-rf", 25, 1.5),
        ["sd-turbo"] = file => Turbo("sd-turbo", SamplerKind.Euler, file),
        ["sdxl-turbo"] = file => Turbo("sdxl-turbo", SamplerKind.EulerAncestral, file),
        ["sdxl-lightning-1step"] = file => new Recipe
        {
            Name = "sdxl-lightning-1step",
            Scheduler = Recipe.From(file, SamplerKind.Euler) with { Spacing = TimestepSpacing.Trailing, Prediction = Prediction.Sample },
            Steps = 1,
            KnownSteps = [1],
        },
        ["sdxl-lightning"] = file => new Recipe
        {
            Name = "sdxl-lightning",
            Scheduler = Recipe.From(file, SamplerKind.Euler) with { Spacing = TimestepSpacing.Trailing },
            Steps = 4,
            KnownSteps = [2, 4, 8],
        },
        ["dmd2"] = file => new Recipe
        {
            Name = "dmd2",
            Scheduler = Recipe.From(file, SamplerKind.Lcm),
            Steps = 1,
            KnownSteps = [1],
            Lists = new Dictionary<int, IReadOnlyList<double>> { [1] = [399] },
        },
        ["dmd2-4step"] = file => new Recipe
        {
            Name = "dmd2-4step",
            Scheduler = Recipe.From(file, SamplerKind.Lcm),
            Steps = 4,
            KnownSteps = [4],
            Lists = new Dictionary<int, IReadOnlyList<double>> { [4] = [999, 749, 499, 249] },
        },
        ["hyper-sd-unet"] = file => new Recipe
        {
            Name = "hyper-sd-unet",
            Scheduler = Recipe.From(file, SamplerKind.Lcm),
            Steps = 1,
            KnownSteps = [1],
            Lists = new Dictionary<int, IReadOnlyList<double>> { [1] = [800] },
        },
        ["hyper-sd-unified"] = file => new Recipe
        {
            Name = "hyper-sd-unified",
            Scheduler = Recipe.From(file, SamplerKind.Tcd) with { Eta = 1 },
            Steps = 1,
        },
        ["hyper-sd"] = file => new Recipe
        {
            Name = "hyper-sd",
            Scheduler = Recipe.From(file, SamplerKind.Ddim) with { Spacing = TimestepSpacing.Trailing },
            Steps = 4,
            KnownSteps = [2, 4, 8],
        },
        ["lcm"] = file => new Recipe { Name = "lcm", Scheduler = Recipe.From(file, SamplerKind.Lcm), Steps = 4, Guidance = 1 },
        ["tcd"] = file => new Recipe { Name = "tcd", Scheduler = Recipe.From(file, SamplerKind.Tcd) with { Eta = 0.3 }, Steps = 4 },
        ["ddim"] = file => Many("ddim", Recipe.From(file, SamplerKind.Ddim)),
        ["euler"] = file => Many("euler", Recipe.From(file, SamplerKind.Euler) with { Spacing = TimestepSpacing.Leading }),
        ["euler-ancestral"] = file => Many("euler-ancestral", Recipe.From(file, SamplerKind.EulerAncestral) with { Spacing = TimestepSpacing.Leading }),
        ["dpm++"] = file => Many("dpm++", Recipe.From(file, SamplerKind.DpmSolver) with { Spacing = TimestepSpacing.Linspace }),
    };

    private const int ManySteps = 25;
    private const double UsualGuidance = 7.5;

    /// <summary>Every known word.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Keys];

    /// <summary>The recipe of that word.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="schedulerFile">The folder's <c>scheduler_config.json</c>, from which the training schedule and the prediction are taken.</param>
    /// <exception cref="RecipeException">There is no such word.</exception>
    public static Recipe Find(string name, JsonElement? schedulerFile = null) => Entries.TryGetValue(name, out var make)
        ? make(schedulerFile)
        : throw new RecipeException($"there is no recipe '{name}'; there are {string.Join(", ", Names)}");

    /// <summary>The recipe of a base model: its own scheduler file as it stands.</summary>
    internal static Recipe OfFile(string className, JsonElement file, double guidance)
    {
        var config = SchedulerConfig.FromJson(className, file);
        var few = config.Kind is SamplerKind.Lcm or SamplerKind.Tcd;
        return new Recipe { Name = className, Scheduler = config, Steps = few ? 4 : ManySteps, Guidance = few ? 1 : guidance };
    }

    private static Recipe Flow(string name, int steps, double guidance) =>
        new() { Name = name, Scheduler = new SchedulerConfig { Kind = SamplerKind.RectifiedFlow }, Steps = steps, Guidance = guidance };

    private static Recipe Turbo(string name, SamplerKind kind, JsonElement? file) =>
        new() { Name = name, Scheduler = Recipe.From(file, kind) with { Spacing = TimestepSpacing.Trailing }, Steps = 1 };

    private static Recipe Many(string name, SchedulerConfig scheduler) =>
        new() { Name = name, Scheduler = scheduler, Steps = ManySteps, Guidance = UsualGuidance };
}
