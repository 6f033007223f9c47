using Grpc.Core;
using Mesh.Contracts.Stage.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Faults;
using Mesh.Testing;
using Mesh.TextEncoder;

namespace Mesh.Stages.Tests;

/// <summary>Models come and go while a stage runs, within its memory.</summary>
[Collection(ModelFoldersTests.Name)]
public sealed class LoadedModelTests(ModelFolders folders)
{
    [Fact]
    public async Task LoadModel_FilesChanged_IsANewVersionAndOtherBytes()
    {
        using var own = new TempFolder();
        var folder = ProceduralModels.WritePipeline(own.File("m"), "instaflow_1step");
        await using var stage = await StageProcess.StartAsync(TextEncoderApp.Create, ("Mesh:Models:m:Folder", folder));
        var before = await GoldenStages.EncodeAsync(stage, new EncodeRequest { Id = 1, Prompt = "a cat" });
        var weights = Path.Combine(folder, "text_encoder", "model.safetensors");
        var bytes = await File.ReadAllBytesAsync(weights);
        for (var i = bytes.Length - 4096; i < bytes.Length; i += 4) bytes[i + 2] ^= 0x40;
        await File.WriteAllBytesAsync(weights, bytes);

        var unchanged = await GoldenStages.EncodeAsync(stage, new EncodeRequest { Id = 2, Prompt = "a cat" });
        var loaded = await stage.Stage.LoadModelAsync(new LoadModelRequest { Model = new() { Id = "m" } }).ResponseAsync.DefaultTimeout();
        var after = await GoldenStages.EncodeAsync(stage, new EncodeRequest { Id = 3, Prompt = "a cat" });
        var pinned = await GoldenStages.EncodeAsync(stage, new EncodeRequest { Id = 4, Prompt = "a cat", Model = new() { Id = "m", Version = before.ModelVersion } });

        unchanged.ShouldBe(before);
        loaded.Model.Model.Version.ShouldNotBe(before.ModelVersion);
        after.ModelVersion.ShouldBe(loaded.Model.Model.Version);
        after.Context.Data.ShouldNotBe(before.Context.Data);
        pinned.ShouldBe(before);
    }

    [Fact]
    public async Task Requests_ForTwoModelsInTheMemoryOfOne_AreAllAnswered()
    {
        await using var stage = await StageProcess.StartAsync(
            TextEncoderApp.Create,
            ("Mesh:Models:a:Folder", folders.Pipeline("instaflow_1step")), ("Mesh:Models:b:Folder", folders.Pipeline("sd_turbo_1step")), ("Mesh:ModelMemory:BudgetBytes", "10000000"));
        using var call = new WorkCall<EncodeRequest, EncodeResponse>(new TextEncoderService.TextEncoderServiceClient(stage.Channel).Encode());

        for (var i = 0; i < 6; i++) await call.SendAsync(new EncodeRequest { Id = i, Prompt = $"{i}", Model = new() { Id = i % 2 == 0 ? "a" : "b" } });
        var answers = new List<EncodeResponse>();
        for (var i = 0; i < 6; i++) answers.Add(await call.NextAsync());

        answers.ShouldAllBe(x => x.Embedding != null);
        answers.Select(x => (x.Id % 2, x.Embedding.Context.Shape[1])).Distinct().Order().ShouldBe([(0L, 32L), (1L, 48L)]);
        var models = (await stage.GetAsync()).Models;
        models.Count(x => x.Loaded).ShouldBe(1);
        models.Where(x => x.Loaded).ShouldAllBe(x => x.MemoryBytes > 0 && x.MemoryBytes <= 10_000_000);
    }

    [Fact]
    public async Task UnloadModel_ThenAsked_IsLoadedAgain()
    {
        await using var stage = await StageProcess.StartAsync(TextEncoderApp.Create, ("Mesh:Models:m:Folder", folders.Pipeline("instaflow_1step")));
        var before = await GoldenStages.EncodeAsync(stage, new EncodeRequest { Id = 1, Prompt = "x" });

        await stage.Stage.UnloadModelAsync(new UnloadModelRequest { Model = new() { Id = "m" } }).ResponseAsync.DefaultTimeout();

        (await stage.GetAsync()).Models[0].Loaded.ShouldBeFalse();
        (await GoldenStages.EncodeAsync(stage, new EncodeRequest { Id = 1, Prompt = "x" })).ShouldBe(before);
        (await stage.GetAsync()).Models[0].Loaded.ShouldBeTrue();
    }

    [Fact]
    public async Task LoadModel_UnknownOrUnnamed_IsRefused()
    {
        await using var stage = await StageProcess.StartAsync(TextEncoderApp.Create, ("Mesh:Models:m:Folder", folders.Pipeline("instaflow_1step")));

        async Task<RpcException> Refused(string id) => await Should.ThrowAsync<RpcException>(
            () => stage.Stage.LoadModelAsync(new LoadModelRequest { Model = new() { Id = id } }).ResponseAsync.DefaultTimeout());

        (await Refused("nobody")).StatusCode.ShouldBe(StatusCode.NotFound);
        (await Refused("")).ToStatus().ShouldBeInvalid("model.id");
    }

    [Fact]
    public async Task GetStage_ModelThatIsNotInstalled_HasNoVersion()
    {
        await using var stage = await StageProcess.StartAsync(
            TextEncoderApp.Create, ("Mesh:Models:m:Folder", folders.Pipeline("instaflow_1step")), ("Mesh:Models:gone:Folder", "/nowhere/gone"), ("Mesh:DefaultModel", "m"));

        var models = (await stage.GetAsync()).Models;

        models.Select(x => (x.Model.Id, x.Model.Version.Length, x.DetailsCase)).ShouldBe(
            [("gone", 0, StageModel.DetailsOneofCase.None), ("m", 64, StageModel.DetailsOneofCase.Text)]);
    }

    [Fact]
    public async Task GetStage_TextLoras_AreThoseThatChangeAnEncoder()
    {
        await using var stage = await StageProcess.StartAsync(
            TextEncoderApp.Create,
            ("Mesh:Models:m:Folder", folders.FlowAround("lora", "kohya_sd15")), ("Mesh:Loras:both:File", ProceduralModels.LoraFile("kohya_sd15")),
            ("Mesh:Loras:unet:File", ProceduralModels.LoraFile("diffusers_old")), ("Mesh:Loras:gone:File", "/nowhere/gone.safetensors"));
        using var call = new WorkCall<EncodeRequest, EncodeResponse>(new TextEncoderService.TextEncoderServiceClient(stage.Channel).Encode());
        var request = new EncodeRequest { Id = 1, Prompt = "a cat" };
        var plain = (await call.AskAsync(request)).Embedding;

        var names = (await stage.GetAsync()).Models[0].Text.Loras.Select(x => (x.Name, x.Hash.Length));
        request.Loras.Add(new Contracts.Common.V1.Lora { Name = "both", Weight = 1 });
        var changed = (await call.AskAsync(request)).Embedding;
        request.Loras.Clear();
        var again = (await call.AskAsync(request)).Embedding;

        names.ShouldContain(("both", 64));
        names.ShouldNotContain(("gone", 64));
        changed.Context.Data.ShouldNotBe(plain.Context.Data);
        again.ShouldBe(plain);
    }

    [Fact]
    public void Create_CatalogueThatContradictsItself_NamesEveryFault()
    {
        var fault = Should.Throw<ConfigurationException>(() => TextEncoderApp.Create([], new Dictionary<string, string?>
        {
            ["Mesh:Device:Name"] = "cpu",
            ["Mesh:Models:a b:Folder"] = "/x",
            ["Mesh:Models:c:Folder"] = "",
            ["Mesh:Models:c:Steps"] = "0",
            ["Mesh:DefaultModel"] = "d",
            ["Mesh:Loras:l:File"] = "/x",
            ["Mesh:Loras:l:Models:0"] = "e",
        }));

        var text = string.Join('\n', fault.Faults);
        text.ShouldContain("'a b' is no name");
        text.ShouldContain("'d'");
        text.ShouldContain("'e'");
        text.ShouldContain("Models:c:Folder");
        text.ShouldContain("Models:c:Steps");
    }
}
