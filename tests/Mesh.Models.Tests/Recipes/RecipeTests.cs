using System.Text.Json;
using Mesh.Models.Recipes;
using Mesh.Models.Samplers;
using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Recipes;

public sealed class RecipeTests
{
    private const string Schedule = "\"beta_start\":0.00085,\"beta_end\":0.012,\"beta_schedule\":\"scaled_linear\",\"num_train_timesteps\":1000,\"steps_offset\":1";

    [Theory]
    [InlineData("instaflow", 1000.0)]
    [InlineData("sd-turbo", 999.0)]
    [InlineData("sdxl-turbo", 999.0)]
    [InlineData("sdxl-lightning-1step", 999.0)]
    [InlineData("dmd2", 399.0)]
    [InlineData("hyper-sd-unet", 800.0)]
    [InlineData("hyper-sd-unified", 999.0)]
    public void Plan_OneStepRecipe_FeedsItsTimestepAndNoNoise(string name, double timestep)
    {
        var recipe = RecipeBook.Find(name);

        var step = recipe.Plan().Steps.ShouldHaveSingleItem();

        step.Timestep.ShouldBe(timestep);
        step.Noise.ShouldBe(0);
        Guidance.IsActive(recipe.Guidance).ShouldBeFalse();
    }

    [Theory]
    [InlineData("sd-turbo")]
    [InlineData("sdxl-turbo")]
    public void Plan_Turbo_StartsAndEstimatesAsTheReference(string name)
    {
        var plan = RecipeBook.Find(name).Plan();
        var step = plan.Steps[0];

        // y = 14.6146·N, seen as y/√(σ²+1); x0 = y − 14.6146·ε is the result.
        plan.StartScale.ShouldBe(14.614645, 1e-4);
        (plan.StartScale * step.InputScale).ShouldBe(0.997667253, 1e-6);
        (step.FromState + (step.FromEstimate * step.EstimateFromState)).ShouldBe(1, 1e-9);
        (step.FromEstimate * step.EstimateFromOutput).ShouldBe(-14.614645, 1e-4);
    }

    [Fact]
    public void Plan_Lightning_TakesTheOutputItself()
    {
        var step = RecipeBook.Find("sdxl-lightning-1step").Plan().Steps[0];

        (step.FromState, step.FromEstimate, step.EstimateFromState, step.EstimateFromOutput).ShouldBe((0, 1, 0, 1));
    }

    [Fact]
    public void Plan_HyperSdUNet_UsesTheFactorsOfTimestep800()
    {
        var step = RecipeBook.Find("hyper-sd-unet").Plan().Steps[0];

        step.EstimateFromState.ShouldBe(1 / 0.192015, 1e-3);
        step.EstimateFromOutput.ShouldBe(-0.981392 / 0.192015, 1e-3);
    }

    [Fact]
    public void Plan_HyperSdUnified_EndsAtStepZero()
    {
        var step = RecipeBook.Find("hyper-sd-unified").Plan().Steps[0];

        step.FromEstimate.ShouldBe(Math.Sqrt(0.999149978), 1e-6);
        step.FromOutput.ShouldBe(Math.Sqrt(1 - 0.999149978), 1e-5);
    }

    [Fact]
    public void Plan_Dmd2FourSteps_ReNoisesToTheNextTimestep()
    {
        var plan = RecipeBook.Find("dmd2-4step").Plan();

        plan.Steps.Select(s => s.Timestep).ShouldBe([999, 749, 499, 249]);
        plan.Steps[0].Noise.ShouldBe(Math.Sqrt(1 - 0.0566234551), 1e-6);
        plan.Steps[3].Noise.ShouldBe(0);
    }

    [Theory]
    [InlineData("sdxl-lightning", 3)]
    [InlineData("dmd2", 4)]
    public void Plan_StepsThatWereNotTrained_AreRefused(string name, int steps) =>
        Should.Throw<ArgumentException>(() => RecipeBook.Find(name).Plan(steps)).Message.ShouldContain(name);

    [Fact]
    public void Find_UnknownWord_ListsTheKnown() => Should.Throw<RecipeException>(() => RecipeBook.Find("magic")).Message.ShouldContain("instaflow");

    [Theory]
    [InlineData("RectifiedFlowPipeline", "PNDMScheduler", "", false, "instaflow")]
    [InlineData("StableDiffusionPipeline", "EulerDiscreteScheduler", "\"timestep_spacing\":\"trailing\"", false, "sd-turbo")]
    [InlineData("StableDiffusionXLPipeline", "EulerAncestralDiscreteScheduler", "\"timestep_spacing\":\"trailing\"", true, "sdxl-turbo")]
    [InlineData("StableDiffusionXLPipeline", "EulerDiscreteScheduler", "\"timestep_spacing\":\"trailing\",\"prediction_type\":\"sample\"", true, "sdxl-lightning-1step")]
    [InlineData("StableDiffusionXLPipeline", "EulerDiscreteScheduler", "\"timestep_spacing\":\"leading\"", true, "EulerDiscreteScheduler")]
    [InlineData("StableDiffusionPipeline", "LCMScheduler", "\"clip_sample\":false", false, "LCMScheduler")]
    public void Decide_ClassAndSchedulerFile_TellTheRecipe(string pipeline, string scheduler, string options, bool xl, string recipe)
    {
        using var folder = new TempFolder();
        var model = Write(folder, pipeline, scheduler, options, xl);

        var found = RecipeRecognition.Decide(model, ModelFolder.Open(model.Folder));

        found.Recipe.Name.ShouldBe(recipe);
        found.Reason.ShouldNotBeEmpty();
    }

    [Fact]
    public void Decide_ConsistencyPipeline_TakesItsGuidance()
    {
        using var folder = new TempFolder();
        var model = Write(folder, "LatentConsistencyModelPipeline", "LCMScheduler", "\"clip_sample\":false", false);

        RecipeRecognition.Decide(model, ModelFolder.Open(model.Folder)).Recipe.Guidance.ShouldBe(8.5);
    }

    [Theory]
    [InlineData("StableDiffusionPipeline", "PNDMScheduler", "", false)]
    [InlineData("StableDiffusionXLPipeline", "EulerDiscreteScheduler", "\"timestep_spacing\":\"trailing\"", true)]
    [InlineData("SomePipeline", "DDIMScheduler", "\"clip_sample\":false", false)]
    public void Decide_Doubt_AsksForTheLine(string pipeline, string scheduler, string options, bool xl)
    {
        using var folder = new TempFolder();
        var model = Write(folder, pipeline, scheduler, options, xl);

        Should.Throw<RecipeException>(() => RecipeRecognition.Decide(model, ModelFolder.Open(model.Folder))).Message.ShouldContain("recipe: NAME");

        var line = RecipeRecognition.Decide(model with { Recipe = "ddim", Steps = 7 }, ModelFolder.Open(model.Folder));
        line.Recipe.Name.ShouldBe("ddim");
        line.Recipe.Steps.ShouldBe(7);
    }

    [Fact]
    public void Decide_FolderNamedAsAKnownModel_CountsForNothing()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.File("sd-turbo"));
        var model = Write(folder, "StableDiffusionPipeline", "PNDMScheduler", "", false, "sd-turbo");

        Should.Throw<RecipeException>(() => RecipeRecognition.Decide(model, ModelFolder.Open(model.Folder)));
    }

    [Fact]
    public void Decide_UnknownReplacement_AsksForTheLine()
    {
        using var folder = new TempFolder();
        var model = Write(folder, "StableDiffusionXLPipeline", "EulerDiscreteScheduler", "\"timestep_spacing\":\"leading\"", true);
        File.WriteAllText(folder.File("sdxl_lightning_1step_unet_x0.safetensors"), "other bytes");

        Should.Throw<RecipeException>(
            () => RecipeRecognition.Decide(model with { UNetFile = folder.File("sdxl_lightning_1step_unet_x0.safetensors") }, ModelFolder.Open(model.Folder)))
            .Message.ShouldContain("recipe: NAME");
    }

    [Fact]
    public void Find_FolderWithVelocityPrediction_KeepsIt()
    {
        using var json = JsonDocument.Parse($"{{{Schedule},\"prediction_type\":\"v_prediction\"}}");

        RecipeBook.Find("ddim", json.RootElement).Scheduler.Prediction.ShouldBe(Prediction.Velocity);
    }

    [Fact]
    public void Combine_Guidance_FollowsTheFormula()
    {
        using var scope = NewDisposeScope();
        var empty = tensor(new float[] { 1, 2, 3, 4 }, [1, 4]);
        var text = tensor(new float[] { 2, 2, 1, 8 }, [1, 4]);

        Guidance.Combine(empty, text, 3).data<float>().ToArray().ShouldBe([4, 2, -3, 16]);

        // Rescaled wholly, the deviation is that of the plain prediction.
        var rescaled = Guidance.Combine(empty, text, 3, rescale: 1);
        rescaled.std().item<float>().ShouldBe(text.std().item<float>(), 1e-5f);
        Guidance.Combine(empty, text, 3, rescale: 0.5).data<float>()[0].ShouldBe((4 + rescaled.data<float>()[0]) / 2, 1e-5f);
    }

    private static ModelDescription Write(TempFolder folder, string pipeline, string scheduler, string options, bool xl, string at = ".")
    {
        var root = Path.GetFullPath(folder.File(at));
        var second = xl ? ",\"text_encoder_2\":[\"transformers\",\"CLIPTextModelWithProjection\"]" : "";
        File.WriteAllText(Path.Combine(root, "model_index.json"), $$"""{"_class_name":"{{pipeline}}","scheduler":["diffusers","{{scheduler}}"]{{second}}}""");
        Directory.CreateDirectory(Path.Combine(root, "scheduler"));
        var more = options.Length > 0 ? "," + options : "";
        File.WriteAllText(Path.Combine(root, "scheduler", "scheduler_config.json"), $$"""{"_class_name":"{{scheduler}}",{{Schedule}}{{more}}}""");
        if (xl)
        {
            Directory.CreateDirectory(Path.Combine(root, "text_encoder_2"));
            File.WriteAllText(Path.Combine(root, "text_encoder_2", "config.json"), """{"architectures":["CLIPTextModelWithProjection"]}""");
            File.WriteAllBytes(Path.Combine(root, "text_encoder_2", "model.safetensors"), [2, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']);
        }

        return new ModelDescription(root);
    }
}
