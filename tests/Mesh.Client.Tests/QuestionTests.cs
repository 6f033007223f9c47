using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Testing;

namespace Mesh.Client.Tests;

public sealed class QuestionTests
{
    [Fact]
    public async Task ListModels_ThreePages_GivesAllInOrder()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnListModels = request => request.PageToken switch
        {
            "" => new ListModelsResponse { Models = { Model("a"), Model("b") }, NextPageToken = "2" },
            "2" => new ListModelsResponse { NextPageToken = "3" },
            _ => new ListModelsResponse { Models = { Model("c") } },
        };
        using var client = gateway.CreateClient();

        var ids = new List<string>();
        await foreach (var model in client.ListModelsAsync()) ids.Add(model.Model.Id);

        ids.ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public async Task ListModels_PageThatNamesItself_IsCorrupt()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnListModels = _ => new ListModelsResponse { NextPageToken = "again" };
        using var client = gateway.CreateClient();

        var fault = await Should.ThrowAsync<MeshException>(async () =>
        {
            await foreach (var _ in client.ListModelsAsync())
            {
            }
        });

        fault.Reason.ShouldBe(MeshException.Corrupt);
    }

    [Fact]
    public async Task Questions_Asked_GiveTheMeshsAnswers()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnStatus = () => new GetStatusResponse { Build = "7", Replicas = { new Replica { Stage = "text", State = ReplicaState.Serving } } };
        gateway.Told.OnModel = id => new ReplicaOutcome { Stage = "text", Status = FakeGateway.StatusOf(StatusCode.NotFound, "MODEL_NOT_FOUND", id) };
        using var client = gateway.CreateClient();

        (await client.GetCapabilitiesAsync().DefaultTimeout()).MaxCount.ShouldBe(64);
        (await client.GetStatusAsync().DefaultTimeout()).Replicas.ShouldHaveSingleItem().State.ShouldBe(ReplicaState.Serving);
        (await client.LoadModelAsync("sd").DefaultTimeout()).ShouldHaveSingleItem().Status.Message.ShouldBe("sd");
        (await client.UnloadModelAsync("sdxl").DefaultTimeout()).ShouldHaveSingleItem().Status.Message.ShouldBe("sdxl");
    }

    [Fact]
    public async Task Question_UnavailableOnce_IsAskedAgain()
    {
        await using var gateway = await FakeGateway.StartAsync();
        var asked = 0;
        gateway.Told.OnCapabilities = () => ++asked == 1 ? throw FakeGateway.Fault(StatusCode.Unavailable, "STARTING", "not yet") : new GetCapabilitiesResponse { MaxCount = 3 };
        using var client = gateway.CreateClient();

        (await client.GetCapabilitiesAsync().DefaultTimeout()).MaxCount.ShouldBe(3);

        asked.ShouldBe(2);
    }

    [Fact]
    public async Task Question_Cancelled_Throws()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient();
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => client.GetStatusAsync(cancel.Token).DefaultTimeout());
    }

    [Fact]
    public async Task Fault_WithDetails_IsReadWhole()
    {
        await using var gateway = await FakeGateway.StartAsync();
        var bad = new BadRequest
        {
            FieldViolations =
            {
                new BadRequest.Types.FieldViolation { Field = "prompt", Description = "must not be empty" },
                new BadRequest.Types.FieldViolation { Field = "width_px", Description = "must be a multiple of 8" },
            },
        };
        gateway.Told.OnGenerate = (_, _, _) => throw FakeGateway.Fault(StatusCode.InvalidArgument, "INVALID_FIELD", "prompt: must not be empty", bad);
        using var client = gateway.CreateClient();

        var fault = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(new GenerationRequest("")).DefaultTimeout());

        (fault.Code, fault.Reason, fault.RetryAfter, fault.IsTransient).ShouldBe((StatusCode.InvalidArgument, "INVALID_FIELD", null, false));
        fault.Metadata["limit"].ShouldBe("4");
        fault.FieldViolations.ShouldBe([new FieldViolation("prompt", "must not be empty"), new FieldViolation("width_px", "must be a multiple of 8")]);
        fault.Message.ShouldBe("prompt: must not be empty; width_px: must be a multiple of 8");
    }

    [Fact]
    public async Task Fault_WithDetailsThatAreNone_KeepsCodeAndText()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnCapabilities = () =>
            throw new RpcException(new Grpc.Core.Status(StatusCode.NotFound, "nothing here"), new Metadata { { "grpc-status-details-bin", [0xff, 0xff] } });
        using var client = gateway.CreateClient();

        var fault = await Should.ThrowAsync<MeshException>(() => client.GetCapabilitiesAsync().DefaultTimeout());

        (fault.Code, fault.Reason, fault.Message).ShouldBe((StatusCode.NotFound, "", "nothing here"));
    }

    private static ModelInfo Model(string id) => new() { Model = new ModelRef { Id = id } };
}
