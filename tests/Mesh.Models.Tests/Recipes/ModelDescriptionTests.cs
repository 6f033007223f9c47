using Mesh.Models.Recipes;
using Mesh.Testing;

namespace Mesh.Models.Tests.Recipes;

public sealed class ModelDescriptionTests
{
    [Fact]
    public void Parse_AllLines_GivesAllValues()
    {
        var model = ModelDescription.Parse(
            """
            # SDXL in one step
            base: sdxl
            unet: files/one step.safetensors
            lora: style.safetensors 0.5

            lora: /abs/my style.safetensors
            recipe: dmd2
            variant: fp16
            steps: 1
            guidance: 1.5
            """,
            "/models",
            "lines");

        model.Folder.ShouldBe("/models/sdxl");
        model.UNetFile.ShouldBe("/models/files/one step.safetensors");
        model.Loras.ShouldBe([new LoraUse("/models/style.safetensors", 0.5), new LoraUse("/abs/my style.safetensors")]);
        (model.Recipe, model.Variant, model.Steps, model.Guidance).ShouldBe(("dmd2", "fp16", 1, 1.5));
    }

    [Theory]
    [InlineData("recipe: dmd2", "base")]
    [InlineData("base: a\nbase: b", "line 2")]
    [InlineData("base: a\nspeed: 3", "'speed'")]
    [InlineData("base", "line 1")]
    [InlineData("base: a\nsteps: 0", "steps")]
    [InlineData("base: a\nsteps: many", "steps")]
    [InlineData("base: a\nguidance: -1", "guidance")]
    public void Parse_WrongLine_NamesIt(string text, string fault) =>
        Should.Throw<RecipeException>(() => ModelDescription.Parse(text, "/m", "lines")).Message.ShouldContain(fault);

    [Fact]
    public void Open_Folder_IsTheModelItself()
    {
        using var folder = new TempFolder();

        ModelDescription.Open(folder.Path).ShouldBe(new ModelDescription(folder.Path));
    }

    [Fact]
    public void Open_File_ReadsItsLinesFromItsPlace()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("fast.model"), "base: sd15\nrecipe: lcm\n");

        var model = ModelDescription.Open(folder.File("fast.model"));

        model.Folder.ShouldBe(folder.File("sd15"));
        model.Recipe.ShouldBe("lcm");
    }

    [Fact]
    public void Open_Nothing_SaysSo() => Should.Throw<RecipeException>(() => ModelDescription.Open("/no/such/model")).Message.ShouldContain("/no/such/model");
}
