using Grpc.Core;
using Mesh.Contracts.Text.V1;
using Mesh.Testing;
using Mesh.TextEncoder;

namespace Mesh.Stages.Tests;

/// <summary>The text stage with the built-in model, over a real socket.</summary>
public sealed class TextStageTests
{
    private static readonly string Emoji = Repository.PathOf("deploy", "models", "emoji");

    [Fact]
    public async Task GetStage_BuiltInModel_TellsItsParts()
    {
        await using var stage = await StartAsync();

        var info = await stage.GetAsync();

        info.Stage.ShouldBe("text");
        info.Device.ShouldBe("cpu");
        info.DeviceKind.ShouldStartWith("cpu ");
        info.DefaultModel.ShouldBe("emoji");
        var model = info.Models.ShouldHaveSingleItem();
        model.Model.Version.Length.ShouldBe(64);
        model.Numerics.ShouldBe("float32");
        model.Text.Positions.ShouldBe(32);
        model.Text.EncoderHash.Length.ShouldBe(64);
        model.Text.TokenizerHash.Length.ShouldBe(64);
    }

    [Fact]
    public async Task Encode_SamePromptTwice_SameBytes()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        var first = await call.AskAsync(new EncodeRequest { Id = 1, Prompt = "3d emoji of a red apple" });
        var again = await call.AskAsync(new EncodeRequest { Id = 2, Prompt = "3d emoji of a red apple" });
        var other = await call.AskAsync(new EncodeRequest { Id = 3, Prompt = "3d emoji of a green apple" });
        await call.CompleteAsync();

        first.Embedding.Context.Shape.ShouldBe([32, 192]);
        first.Embedding.Pooled.ShouldBeNull();
        first.Embedding.ModelVersion.ShouldBe((await stage.GetAsync()).Models[0].Model.Version);
        again.Embedding.ShouldBe(first.Embedding);
        other.Embedding.Context.Data.ShouldNotBe(first.Embedding.Context.Data);
        first.Timings.TotalUs.ShouldBeGreaterThan(0);
        first.Timings.BatchSize.ShouldBe(1);
        (await call.EndsAsync()).ShouldBeTrue();
    }

    [Theory]
    [InlineData("a\0b", "prompt")]
    [InlineData("LONG", "prompt")]
    public async Task Encode_BadPrompt_IsInvalidArgumentNamingIt(string prompt, string field)
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        var answer = await call.AskAsync(new EncodeRequest { Id = 7, Prompt = prompt == "LONG" ? new string('x', 8193) : prompt });

        answer.Id.ShouldBe(7);
        answer.Failure.ShouldBeInvalid(field);
    }

    [Fact]
    public async Task Encode_UnknownModel_IsNotFound()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        var answer = await call.AskAsync(new EncodeRequest { Id = 1, Model = new() { Id = "nobody" }, Prompt = "x" });

        answer.Failure.Code.ShouldBe((int)StatusCode.NotFound);
        answer.Failure.Message.ShouldContain("emoji");
    }

    private static Task<StageProcess> StartAsync() => StageProcess.StartAsync(TextEncoderApp.Create, ("Mesh:Models:emoji:Folder", Emoji));

    private static WorkCall<EncodeRequest, EncodeResponse> Call(StageProcess stage) => new(new TextEncoderService.TextEncoderServiceClient(stage.Channel).Encode());
}
