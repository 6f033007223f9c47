using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Generator.V1;
using Mesh.Generator;
using Mesh.Hosting.Stages;
using Mesh.Testing;

namespace Mesh.Stages.Tests;

/// <summary>The generator over a real socket, with the reference's tiny models.</summary>
[Collection(ModelFoldersTests.Name)]
public sealed class GeneratorStageTests(ModelFolders folders)
{
    private const int Width = 32;
    private const int Positions = 77;

    private static readonly (string What, string Field)[] BadRequests =
    [
        ("width 0", "width_px"), ("width 7", "width_px"), ("width 100000", "width_px"), ("height -8", "height_px"),
        ("steps 0", "steps"), ("steps 1001", "steps"), ("guidance NaN", "guidance"), ("guidance -1", "guidance"),
        ("no prompt", "prompt"), ("no negative", "negative_prompt"), ("narrow", "prompt.context.shape"), ("short", "prompt.context.shape"),
        ("pooled", "prompt.pooled"), ("versions", "negative_prompt.model_version"), ("cut", "prompt.context.data"), ("type", "prompt.context.data_type"), ("noise", "noise.shape"),
        ("lora weight", "loras[0].weight"), ("lora twice", "loras[1].name"), ("lora without name", "loras[0].name"),
        ("control without name", "control.model"), ("control image", "control.image.shape"), ("control scale", "control.scale"), ("control end", "control.end"),
    ];

    [Fact]
    public async Task Generate_SeedAloneAndAmongEightStrangers_SameBytes()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);
        var alone = await call.AskAsync(Request(1, seed: 42));

        // A long one holds the device, so that the rest gathers behind it and forms one batch.
        await call.SendAsync(Request(100, steps: 40));
        await stage.WhenAsync(x => x.Running == 1);
        for (var i = 0; i < 8; i++) await call.SendAsync(Request(10 + i, seed: i == 3 ? 42 : 1000UL + (ulong)i, text: i == 3 ? 0 : i + 1));
        var answers = new Dictionary<long, GenerateResponse>();
        for (var i = 0; i < 9; i++) answers.Add((await call.NextAsync()) is var next ? next.Id : 0, next);

        answers[13].Timings.BatchSize.ShouldBe(8);
        answers[13].Latent.ShouldBe(alone.Latent);
        answers.Values.Select(x => x.Latent.Values.Data).Distinct().Count().ShouldBe(9);
    }

    [Fact]
    public async Task Generate_FirstOfABatch_IsAnsweredWhileTheOthersRun()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);
        var alone = await call.AskAsync(Request(1, seed: 5, steps: 400));
        await call.SendAsync(Request(100, steps: 40));
        await stage.WhenAsync(x => x.Running == 1);
        for (var i = 2; i < 5; i++) await call.SendAsync(Request(i, seed: (ulong)i + 3, steps: 400));
        (await call.NextAsync()).Id.ShouldBe(100);

        var first = await call.NextAsync();
        await call.SendAsync(new GenerateRequest { Id = 4, Cancel = true });
        await call.SendAsync(new GenerateRequest { Id = 3, Cancel = true });

        (first.Id, first.Timings.BatchSize).ShouldBe((2, 3));
        first.Latent.ShouldBe(alone.Latent);
        for (var i = 0; i < 2; i++) (await call.NextAsync()).Failure.ShouldBe(StatusCode.Cancelled, "CANCELLED");
        var statistics = await stage.WhenAsync(x => x.Batches == 3);
        (statistics.Completed, statistics.Cancelled).ShouldBe((3, 2));
        statistics.WastedUs.ShouldBeLessThan(statistics.BusyUs / 2);
    }

    [Fact]
    public async Task Generate_EachFieldOfTheRequest_ChangesTheLatent()
    {
        await using var stage = await StartAsync(("Mesh:Models:m:Guidance", "1"));
        using var call = Call(stage);
        var seen = new HashSet<Google.Protobuf.ByteString>();
        var negative = Request(0, text: 5).Prompt;
        GenerateRequest[] requests =
        [
            Request(1), Request(2, seed: 8), Request(3, text: 1), Request(4, steps: 2),
            With(Request(5), x => (x.Guidance, x.NegativePrompt) = (3, negative)), With(Request(6), x => (x.Guidance, x.NegativePrompt) = (4, negative)),
            With(Request(7), x => x.WidthPx = 72), With(Request(8), x => x.Noise = WireTensors.OfFloats(new float[4 * 8 * 8], 4, 8, 8)),
        ];

        foreach (var request in requests) seen.Add((await call.AskAsync(request)).Latent.Values.Data).ShouldBeTrue($"request {request.Id} changed nothing");
    }

    [Fact]
    public async Task Generate_HighBitsOfTheSeed_DoNotCount()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        var low = await call.AskAsync(Request(1, seed: 5));
        var high = await call.AskAsync(Request(2, seed: 5 + (1UL << 32)));

        high.Latent.ShouldBe(low.Latent);
    }

    [Fact]
    public async Task Generate_CancelledWhileItRuns_StopsBetweenStepsAndCountsTheWaste()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);
        await call.SendAsync(Request(1, steps: 1000));
        await stage.WhenAsync(x => x.Running == 1);

        await call.SendAsync(new GenerateRequest { Id = 1, Cancel = true });

        (await call.NextAsync()).Failure.ShouldBe(StatusCode.Cancelled, "CANCELLED");
        var statistics = await stage.WhenAsync(x => x.Batches == 1);
        statistics.Cancelled.ShouldBe(1);
        statistics.WastedUs.ShouldBeGreaterThan(0);
        (await call.AskAsync(Request(2))).Latent.ShouldNotBeNull();
    }

    [Fact]
    public async Task Generate_DeadlineWhileItRuns_IsToldAndStopsIt()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        var answer = await call.AskAsync(With(Request(1, steps: 1000), x => x.TimeoutUs = 200_000));

        answer.Failure.ShouldBe(StatusCode.DeadlineExceeded, "DEADLINE_EXCEEDED");
        (await call.AskAsync(Request(2))).Latent.ShouldNotBeNull();
    }

    [Fact]
    public async Task Generate_QueueFull_IsRefusedWithRetryInfoAndLaterCallsAreServed()
    {
        await using var stage = await StartAsync(("Mesh:Batching:MaxQueue", "2"));
        using var call = Call(stage);
        await call.SendAsync(Request(1, steps: 60));
        await stage.WhenAsync(x => x.Running == 1);
        await call.SendAsync(Request(2));
        await call.SendAsync(Request(3));
        await stage.WhenAsync(x => x.Waiting == 2);

        var refused = await call.AskAsync(Request(4));

        refused.Id.ShouldBe(4);
        refused.Failure.ShouldBe(StatusCode.ResourceExhausted, "QUEUE_FULL");
        Hosting.Faults.FaultStatus.Detail<Google.Rpc.RetryInfo>(refused.Failure).ShouldNotBeNull();
        for (var i = 0; i < 3; i++) (await call.NextAsync()).Latent.ShouldNotBeNull();
        (await call.AskAsync(Request(5))).Latent.ShouldNotBeNull();
    }

    [Fact]
    public async Task Generate_BadRequests_AreInvalidArgumentNamingTheField()
    {
        await using var stage = await StartAsync(
            ("Mesh:Loras:style:File", ProceduralModels.LoraFile("kohya_sd15")), ("Mesh:Controls:edges:Folder", folders.ControlNet("sd15_tiny")));
        using var call = Call(stage);

        foreach (var (what, field) in BadRequests) (await call.AskAsync(Bad(what))).Failure.ShouldBeInvalid(field);
    }

    [Fact]
    public async Task Generate_UnknownNames_AreNotFound()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        (await call.AskAsync(With(Request(1), x => x.Model = new() { Id = "nobody" }))).Failure.ShouldBe(StatusCode.NotFound, "MODEL_NOT_FOUND");
        (await call.AskAsync(With(Request(2), x => x.Loras.Add(new Lora { Name = "none", Weight = 1 })))).Failure.ShouldBe(StatusCode.NotFound, "LORA_NOT_FOUND");
        (await call.AskAsync(With(Request(3), x => x.Control = new Control { Model = "none", End = 1 }))).Failure.ShouldBe(StatusCode.NotFound, "CONTROL_NOT_FOUND");
        (await call.AskAsync(With(Request(4), x => x.Model = new() { Id = "control:none" }))).Failure.ShouldBe(StatusCode.NotFound, "MODEL_NOT_FOUND");
    }

    [Fact]
    public async Task Generate_FilesThatAreNotThereOrDoNotFit_FailWithWhatToDo()
    {
        await using var stage = await StartAsync(
            ("Mesh:Models:gone:Folder", "/nowhere/gone"), ("Mesh:Loras:gone:File", "/nowhere/gone.safetensors"),
            ("Mesh:Loras:wrong:File", ProceduralModels.LoraFile("kohya_sdxl")), ("Mesh:Controls:other:Folder", folders.ControlNet("sdxl_tiny")));
        using var call = Call(stage);

        var gone = (await call.AskAsync(With(Request(1), x => x.Model = new() { Id = "gone" }))).Failure;
        gone.ShouldBe(StatusCode.FailedPrecondition, StageFaults.NotInstalled);
        gone.Message.ShouldContain("/nowhere/gone");
        (await call.AskAsync(With(Request(2), x => x.Loras.Add(new Lora { Name = "gone", Weight = 1 })))).Failure.ShouldBe(StatusCode.FailedPrecondition, StageFaults.LoraReason);
        (await call.AskAsync(With(Request(3), x => x.Loras.Add(new Lora { Name = "wrong", Weight = 1 })))).Failure.ShouldBe(StatusCode.FailedPrecondition, StageFaults.LoraReason);
        var image = WireTensors.OfBytes(new byte[3 * 64 * 64], 3, 64, 64);
        (await call.AskAsync(With(Request(4), x => x.Control = new Control { Model = "other", End = 1, Image = image }))).Failure.ShouldBe(StatusCode.FailedPrecondition, "CONTROL_MISMATCH");
        (await call.AskAsync(Request(5))).Latent.ShouldNotBeNull();
    }

    [Fact]
    public async Task Generate_StepsOfADistilledModel_AreThoseItWasTrainedFor()
    {
        await using var stage = await StageProcess.StartAsync(GeneratorApp.Create, ("Mesh:Models:m:Folder", folders.Pipeline("sdxl_lightning_1step")));
        using var call = Call(stage);
        var model = (await stage.GetAsync()).Models[0].Generator;

        var answer = await call.AskAsync(With(Request(1), x => x.Steps = 2));

        model.KnownSteps.ShouldBe([1]);
        answer.Failure.ShouldBeInvalid("steps");
    }

    private static GenerateRequest Bad(string what) => With(Request(1), x =>
    {
        var image = WireTensors.OfBytes(new byte[3 * 64 * 64], 3, 64, 64);
        switch (what)
        {
            case "width 0": x.WidthPx = 0; break;
            case "width 7": x.WidthPx = 7; break;
            case "width 100000": x.WidthPx = 100_000; break;
            case "height -8": x.HeightPx = -8; break;
            case "steps 0": x.Steps = 0; break;
            case "steps 1001": x.Steps = 1001; break;
            case "guidance NaN": x.Guidance = float.NaN; break;
            case "guidance -1": x.Guidance = -1; break;
            case "no prompt": x.Prompt = null; break;
            case "no negative": x.Guidance = 2; break;
            case "versions":
                (x.Guidance, x.Prompt.ModelVersion, x.NegativePrompt) = (2, "a", x.Prompt.Clone());
                x.NegativePrompt.ModelVersion = "b";
                break;
            case "narrow": x.Prompt.Context = WireTensors.OfFloats(new float[Positions * 31], Positions, 31); break;
            case "short": x.Prompt.Context = WireTensors.OfFloats(new float[76 * Width], 76, Width); break;
            case "pooled": x.Prompt.Pooled = WireTensors.OfFloats(new float[8], 8); break;
            case "cut": x.Prompt.Context.Data = Google.Protobuf.ByteString.CopyFrom(new byte[12]); break;
            case "type": x.Prompt.Context.DataType = DataType.Int64; break;
            case "noise": x.Noise = WireTensors.OfFloats(new float[4 * 8 * 7], 4, 8, 7); break;
            case "lora weight": x.Loras.Add(new Lora { Name = "style", Weight = float.NaN }); break;
            case "lora twice": x.Loras.Add([new Lora { Name = "style", Weight = 1 }, new Lora { Name = "style", Weight = 1 }]); break;
            case "lora without name": x.Loras.Add(new Lora { Weight = 1 }); break;
            case "control without name": x.Control = new Control { End = 1, Image = image }; break;
            case "control image": x.Control = new Control { Model = "edges", End = 1, Image = WireTensors.OfBytes(new byte[3 * 64 * 63], 3, 64, 63) }; break;
            case "control scale": x.Control = new Control { Model = "edges", End = 1, Image = image, Scale = -1 }; break;
            case "control end": x.Control = new Control { Model = "edges", Start = 0.5f, End = 0.4f, Image = image }; break;
            default: throw new ArgumentOutOfRangeException(nameof(what), what, null);
        }
    });

    /// <summary>An image of 64 px of the tiny SD 1.5; the text is made of a number.</summary>
    private static GenerateRequest Request(long id, ulong seed = 7, int steps = 1, int text = 0) => new()
    {
        Id = id,
        Seed = seed,
        WidthPx = 64,
        HeightPx = 64,
        Steps = steps,
        Prompt = new() { Context = WireTensors.OfFloats([.. Enumerable.Range(0, Positions * Width).Select(i => MathF.Sin(i + text))], Positions, Width) },
    };

    private static GenerateRequest With(GenerateRequest request, Action<GenerateRequest> change)
    {
        change(request);
        return request;
    }

    private static WorkCall<GenerateRequest, GenerateResponse> Call(StageProcess stage) => new(new GeneratorService.GeneratorServiceClient(stage.Channel).Generate());

    private Task<StageProcess> StartAsync(params ReadOnlySpan<(string, string?)> settings) =>
        StageProcess.StartAsync(GeneratorApp.Create, [("Mesh:Models:m:Folder", folders.Pipeline("instaflow_1step")), ("Mesh:DefaultModel", "m"), .. settings]);
}
