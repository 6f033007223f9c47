using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Decoder.V1;
using Mesh.Decoder;
using Mesh.Hosting.Stages;

namespace Mesh.Stages.Tests;

/// <summary>The decoder over a real socket, with the reference's tiny models.</summary>
[Collection(ModelFoldersTests.Name)]
public sealed class DecoderStageTests(ModelFolders folders)
{
    [Fact]
    public async Task Decode_LatentAloneAndAmongOthers_SameBytes()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);
        var alone = await call.AskAsync(Request(1, 7));

        await call.SendAsync(Request(100, 0, side: 128));
        await stage.WhenAsync(x => x.Running == 1);
        for (var i = 0; i < 8; i++) await call.SendAsync(Request(10 + i, 4 + i));
        var answers = new Dictionary<long, DecodeResponse>();
        for (var i = 0; i < 9; i++) answers.Add((await call.NextAsync()) is var next ? next.Id : 0, next);

        answers[13].Timings.BatchSize.ShouldBe(8);
        answers[13].Pixels.ShouldBe(alone.Pixels);
        answers.Values.Select(x => x.Pixels.Data).Distinct().Count().ShouldBe(9);
    }

    [Fact]
    public async Task Decode_LargePicture_GoesByTiles()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        var answer = await call.AskAsync(Request(1, 3, side: 136));

        answer.Pixels.Shape.ShouldBe([1088, 1088, 3]);
        answer.Pixels.Data.Length.ShouldBe(1088 * 1088 * 3);
    }

    [Fact]
    public async Task Decode_PreviewAndFull_AreOtherPictures()
    {
        await using var stage = await StartAsync(("Mesh:Models:m:Preview", folders.TinyDecoder()));
        using var call = Call(stage);

        var full = await call.AskAsync(Request(1, 1));
        var preview = await call.AskAsync(With(Request(2, 1), x => x.Quality = Quality.Preview));

        preview.Pixels.Shape.ShouldBe(full.Pixels.Shape);
        preview.Pixels.Data.ShouldNotBe(full.Pixels.Data);
    }

    [Fact]
    public async Task Decode_PreviewWithoutATinyAutoencoder_SaysWhatToInstall()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        var answer = await call.AskAsync(With(Request(1, 1), x => x.Quality = Quality.Preview));

        answer.Failure.ShouldBe(StatusCode.FailedPrecondition, "PREVIEW_NOT_INSTALLED");
        answer.Failure.Message.ShouldContain("Mesh:Models:m:Preview");
        (await stage.GetAsync()).Models[0].Decoder.Preview.ShouldBeFalse();
    }

    [Fact]
    public async Task Decode_CancelledInTheQueue_IsToldAtOnceAndNeverRun()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);
        await call.SendAsync(Request(1, 0, side: 256));
        await stage.WhenAsync(x => x.Running == 1);
        await call.SendAsync(Request(2, 1));
        await stage.WhenAsync(x => x.Waiting == 1);

        await call.SendAsync(new DecodeRequest { Id = 2, Cancel = true });

        var first = await call.NextAsync();
        first.Id.ShouldBe(2);
        first.Failure.ShouldBe(StatusCode.Cancelled, "CANCELLED");
        (await call.NextAsync()).Pixels.ShouldNotBeNull();
        var statistics = (await stage.GetAsync()).Statistics;
        statistics.Batches.ShouldBe(1);
        statistics.Cancelled.ShouldBe(1);
        statistics.WastedUs.ShouldBe(0);
    }

    [Theory]
    [InlineData(new long[] { 4, 8 }, "latent.shape")]
    [InlineData(new long[] { 3, 8, 8 }, "latent.shape")]
    [InlineData(new long[] { 4, 0, 8 }, "latent.shape")]
    [InlineData(new long[] { 4, 8, 257 }, "latent.shape")]
    [InlineData(null, "latent")]
    public async Task Decode_BadLatent_IsInvalidArgumentNamingIt(long[]? shape, string field)
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);
        var latent = shape is null ? null : WireTensors.OfFloats(new float[shape.Aggregate(1L, (a, b) => a * b)], shape);

        (await call.AskAsync(new DecodeRequest { Id = 1, Latent = latent })).Failure.ShouldBeInvalid(field);
    }

    [Fact]
    public async Task Decode_QualityThatIsNone_IsInvalid()
    {
        await using var stage = await StartAsync();
        using var call = Call(stage);

        (await call.AskAsync(With(Request(1, 1), x => x.Quality = (Quality)9))).Failure.ShouldBeInvalid("quality");
    }

    private static DecodeRequest Request(long id, int number, int side = 8) => new() { Id = id, Latent = Latent(number, side) };

    private static Tensor Latent(int number, int side) =>
        WireTensors.OfFloats([.. Enumerable.Range(0, 4 * side * side).Select(i => MathF.Sin((i * 0.37f) + number))], 4, side, side);

    private static DecodeRequest With(DecodeRequest request, Action<DecodeRequest> change)
    {
        change(request);
        return request;
    }

    private static WorkCall<DecodeRequest, DecodeResponse> Call(StageProcess stage) => new(new DecoderService.DecoderServiceClient(stage.Channel).Decode());

    private Task<StageProcess> StartAsync(params ReadOnlySpan<(string, string?)> settings) =>
        StageProcess.StartAsync(DecoderApp.Create, [("Mesh:Models:m:Folder", folders.Pipeline("instaflow_1step")), .. settings]);
}
