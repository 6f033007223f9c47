using System.Text.Json;
using Mesh.Models.Weights;

namespace Mesh.Models.Recipes;

/// <summary>A recipe and what decided for it.</summary>
/// <param name="Recipe">How the checkpoint is stepped.</param>
/// <param name="Reason">One sentence for <c>inspect</c>.</param>
public sealed record RecognisedRecipe(Recipe Recipe, string Reason);

/// <summary>
/// Finds how a model is stepped: by a line of configuration, else by the content of its weight files, its pipeline's class and its scheduler file. Names
/// of files and folders never count.
/// </summary>
public static class RecipeRecognition
{
    private const double UsualGuidance = 7.5;
    private const double UsualGuidanceXl = 5;

    // Latent consistency models that were distilled with guidance are told its scale as a number and run once a step.
    private const double ConsistencyGuidance = 8.5;

    private static readonly Dictionary<string, string> ByCheckpoint = new(StringComparer.Ordinal)
    {
        ["SDXL-Turbo"] = "sdxl-turbo",
        ["SDXL-Lightning 1-step"] = "sdxl-lightning-1step",
        ["SDXL-Lightning 4-step"] = "sdxl-lightning",
        ["LCM-LoRA SDXL"] = "lcm",
    };

    /// <summary>Decides.</summary>
    /// <param name="model">The lines of configuration.</param>
    /// <param name="folder">The base model's folder.</param>
    /// <param name="hashes">Hashes of files that are known already; null: none.</param>
    /// <exception cref="RecipeException">Nothing decides; the message asks for the line.</exception>
    public static RecognisedRecipe Decide(ModelDescription model, ModelFolder folder, FileHashes? hashes = null)
    {
        hashes ??= new FileHashes();
        var scheduler = folder.Components.GetValueOrDefault("scheduler");
        var file = scheduler?.Config;
        var found = model.Recipe is { } word
            ? new RecognisedRecipe(RecipeBook.Find(word, file), "a line of configuration")
            : ByLora(model, file, hashes) ?? (model.UNetFile is { } unet ? ByReplacement(unet, folder, scheduler, hashes) : ByFolder(folder, scheduler, hashes));
        return found with
        {
            Recipe = found.Recipe with { Steps = model.Steps ?? found.Recipe.Steps, Guidance = model.Guidance ?? found.Recipe.Guidance },
        };
    }

    private static RecognisedRecipe? ByLora(ModelDescription model, JsonElement? file, FileHashes hashes)
    {
        foreach (var lora in model.Loras ?? [])
        {
            if (KnownWeights.Recognise(lora.Path, hashes) is { } known && ByCheckpoint.TryGetValue(known.Checkpoint, out var word))
                return new RecognisedRecipe(RecipeBook.Find(word, file), $"the SHA-256 of {Path.GetFileName(lora.Path)} is that of {known.Checkpoint}");
        }

        return null;
    }

    private static RecognisedRecipe ByReplacement(string unet, ModelFolder folder, ModelComponent? scheduler, FileHashes hashes)
    {
        if (KnownWeights.Recognise(unet, hashes) is not { } known)
            throw Doubt($"{unet} replaces the U-Net and is none of the files known by their content");
        return ByCheckpoint.TryGetValue(known.Checkpoint, out var word)
            ? new RecognisedRecipe(RecipeBook.Find(word, scheduler?.Config), $"the SHA-256 of the U-Net's file is that of {known.Checkpoint}")
            : OfBase(known, folder, scheduler);
    }

    private static RecognisedRecipe ByFolder(ModelFolder folder, ModelComponent? scheduler, FileHashes hashes)
    {
        if (folder.PipelineClass == "RectifiedFlowPipeline")
            return new RecognisedRecipe(RecipeBook.Find("instaflow"), "the pipeline's class is RectifiedFlowPipeline");
        if (Known(folder, hashes) is { } known)
        {
            return ByCheckpoint.TryGetValue(known.Checkpoint, out var word)
                ? new RecognisedRecipe(RecipeBook.Find(word, scheduler?.Config), $"the SHA-256 of the U-Net's file is that of {known.Checkpoint}")
                : OfBase(known, folder, scheduler);
        }

        if (folder.PipelineClass is not ("StableDiffusionPipeline" or "StableDiffusionXLPipeline" or "LatentConsistencyModelPipeline"))
            throw Doubt($"{folder.FolderPath}: the pipeline's class is {folder.PipelineClass ?? "not given"}");
        return ByScheduler(folder, scheduler);
    }

    private static RecognisedRecipe ByScheduler(ModelFolder folder, ModelComponent? scheduler)
    {
        if (scheduler?.Config is not { } file)
            throw Doubt($"{folder.FolderPath} has no scheduler file");
        var name = scheduler.ConfiguredClass ?? scheduler.Class ?? "none";
        var isXl = IsXl(folder);
        var trailing = Is(file, "timestep_spacing", "trailing");
        if (name is "EulerDiscreteScheduler" or "EulerAncestralDiscreteScheduler" && trailing)
        {
            if (Is(file, "prediction_type", "sample"))
                return new RecognisedRecipe(RecipeBook.Find("sdxl-lightning-1step", file), $"{name} with trailing timesteps and a network that predicts the sample");
            if (!isXl)
                return new RecognisedRecipe(RecipeBook.Find("sd-turbo", file), $"{name} with trailing timesteps");
            if (name == "EulerAncestralDiscreteScheduler")
                return new RecognisedRecipe(RecipeBook.Find("sdxl-turbo", file), $"{name} with trailing timesteps");
            throw Doubt($"{folder.FolderPath}: {name} with trailing timesteps steps SDXL-Lightning and copies of SDXL-Turbo alike");
        }

        if (Samplers.SchedulerConfig.KindOf(name) is null)
            throw Doubt($"{folder.FolderPath}: the scheduler file names {name}, which steps many kinds of checkpoint");
        var found = new RecognisedRecipe(RecipeBook.OfFile(name, file, isXl ? UsualGuidanceXl : UsualGuidance), $"the scheduler file names {name}");
        return folder.PipelineClass == "LatentConsistencyModelPipeline" ? found with { Recipe = found.Recipe with { Guidance = ConsistencyGuidance } } : found;
    }

    /// <summary>A base model of several steps: its scheduler file's sampler, and DDIM for the one class that is not built.</summary>
    private static RecognisedRecipe OfBase(KnownFile known, ModelFolder folder, ModelComponent? scheduler)
    {
        var guidance = IsXl(folder) ? UsualGuidanceXl : UsualGuidance;
        var reason = $"the SHA-256 of the U-Net's file is that of {known.Checkpoint}";
        if (scheduler?.Config is { } file && (scheduler.ConfiguredClass ?? scheduler.Class) is { } name && Samplers.SchedulerConfig.KindOf(name) is not null)
            return new RecognisedRecipe(RecipeBook.OfFile(name, file, guidance), $"{reason}, and the scheduler file names {name}");
        return new RecognisedRecipe(RecipeBook.Find("ddim", scheduler?.Config) with { Guidance = guidance }, $"{reason}; DDIM takes the place of its scheduler");
    }

    private static KnownFile? Known(ModelFolder folder, FileHashes hashes)
    {
        if (!folder.Components.TryGetValue("unet", out var unet))
            return null;
        var files = unet.FindWeights();
        return files.IsSharded ? null : KnownWeights.Recognise(files.Main, hashes);
    }

    private static bool IsXl(ModelFolder folder) => folder.Components.ContainsKey("text_encoder_2");

    private static bool Is(JsonElement file, string option, string value) =>
        file.TryGetProperty(option, out var found) && found.ValueKind == JsonValueKind.String && found.GetString() == value;

    private static RecipeException Doubt(string what) =>
        new($"{what}; say how it is stepped by a line 'recipe: NAME' (or --recipe NAME), one of {string.Join(", ", RecipeBook.Names)}");
}
