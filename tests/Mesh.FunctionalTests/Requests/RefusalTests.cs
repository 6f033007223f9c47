using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.FunctionalTests.Requests;

/// <summary>What cannot be drawn is refused with the reason, and nothing is left of it.</summary>
[Collection(FlowMeshTests.Name)]
public sealed class RefusalTests(FlowMesh mesh)
{
    private static readonly Dictionary<string, (string Field, Action<GenerateRequest> Spoil)> Bad = new()
    {
        ["empty prompt"] = ("prompt", x => x.Prompt = ""),
        ["10 MB"] = ("prompt", x => x.Prompt = new string('a', 10 << 20)),
        ["NUL"] = ("prompt", x => x.Prompt = "a\0b"),
        ["size 7"] = ("width_px", x => x.WidthPx = 7),
        ["size 100000"] = ("height_px", x => x.HeightPx = 100000),
        ["count -1"] = ("count", x => x.Count = -1),
        ["NaN guidance"] = ("guidance", x => x.Guidance = float.NaN),
        ["steps 0"] = ("steps", x => x.Steps = 0),
        ["NaN weight"] = ("loras[0].weight", x => x.Loras.Add(new Lora { Name = TinyModels.Style, Weight = float.NaN })),
        ["no control image"] = ("control.image", x => x.Control = new ControlImage { Image = ByteString.CopyFromUtf8("no picture at all") }),
        ["cut control image"] = ("control.image", x => x.Control = new ControlImage { Image = ByteString.CopyFrom(FlowMesh.Picture(64, 8).Span[..^20]) }),
    };

    public static TheoryData<string> BadNames => [.. Bad.Keys];

    [Theory]
    [MemberData(nameof(BadNames))]
    public async Task Generate_BadField_IsInvalidArgumentThatNamesIt(string name)
    {
        var request = FlowMesh.Plain();
        Bad[name].Spoil(request);

        var fault = await mesh.Images.DrawAsync(request).FaultAsync();

        fault.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        fault.ToStatus().Detail<BadRequest>().ShouldNotBeNull().FieldViolations.Select(x => x.Field).ShouldBe([Bad[name].Field]);
        fault.ToStatus().Detail<ErrorInfo>().ShouldNotBeNull().Domain.ShouldBe("mesh");
        (await mesh.Front.StatusAsync()).Calls.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_BytesThatAreNoUtf8_AreInvalidArgument()
    {
        // Field 2, the prompt, of two bytes that are no UTF-8.
        var raw = new Method<byte[], GenerateResponse>(
            MethodType.ServerStreaming, "mesh.image.v1.ImageService", "Generate", Marshallers.Create(x => x, x => x), Marshallers.Create(x => x.ToByteArray(), GenerateResponse.Parser.ParseFrom));
        using var channel = mesh.Front.Connect();
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(raw, null, new CallOptions(deadline: DateTime.UtcNow + TimeoutExtensions.Default), [0x12, 0x02, 0xC3, 0x28]);

        var fault = await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout());

        fault.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        fault.ToStatus().Detail<BadRequest>().ShouldNotBeNull().FieldViolations.ShouldHaveSingleItem().Field.ShouldBe("prompt");
    }

    [Theory]
    [InlineData("model")]
    [InlineData("lora")]
    [InlineData("control")]
    public async Task Generate_UnknownName_IsNotFound(string kind)
    {
        var request = FlowMesh.Plain();
        if (kind == "model") request.Model = "nothing";
        if (kind == "lora") request.Loras.Add(new Lora { Name = "nothing", Weight = 1 });
        if (kind == "control") request.Control = new() { Model = "nothing", Image = FlowMesh.Picture(64, 8) };

        var fault = await mesh.Images.DrawAsync(request).FaultAsync();

        fault.StatusCode.ShouldBe(StatusCode.NotFound);
        var resource = fault.ToStatus().Detail<ResourceInfo>().ShouldNotBeNull();
        (resource.ResourceType, resource.ResourceName).ShouldBe((kind, "nothing"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Bearer wrong")]
    [InlineData("Basic right")]
    public async Task Generate_WithoutTheKey_IsUnauthenticated(string? authorization)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("right")));
        var locked = await mesh.Mesh.AddGatewayAsync(("Mesh:Keys:0:Name", "somebody"), ("Mesh:Keys:0:Sha256", hash));
        var headers = new Metadata();
        if (authorization is not null) headers.Add("authorization", authorization);
        var end = DateTime.UtcNow + TimeoutExtensions.Default;

        var fault = await locked.Images.DrawAsync(FlowMesh.Plain(), new CallOptions(headers, end)).FaultAsync();
        var right = await locked.Images.DrawAsync(FlowMesh.Plain(), new CallOptions([new("authorization", "Bearer right")], end));

        fault.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        right.File().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Generate_UpscalingWhereNothingIsInstalled_SaysWhatToInstall()
    {
        await using var bare = await RunningMesh.StartAsync(new MeshLayout { Settings = [($"Mesh:Models:{FlowMesh.Other}:Folder", TinyModels.Pipeline("instaflow_1step"))] });
        var request = FlowMesh.Plain();
        request.Upscale = new();

        var fault = await bare.Front.Images.DrawAsync(request).FaultAsync();
        request.Upscale = null;
        request.Preview = true;
        var noPreview = await bare.Front.Images.DrawAsync(request).FaultAsync();

        fault.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        fault.Status.Detail.ShouldContain("Mesh:Upsamplers");
        noPreview.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        noPreview.Status.Detail.ShouldContain("Preview");
        var can = await bare.Front.Images.GetCapabilitiesAsync(new()).ResponseAsync.DefaultTimeout();
        (can.Upscale, can.Preview, can.Control, can.SharedCache).ShouldBe((false, false, false, false));
    }
}
