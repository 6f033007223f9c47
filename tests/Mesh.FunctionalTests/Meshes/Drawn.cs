using System.Security.Cryptography;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Imaging;
using Mesh.Testing;
using Event = Mesh.Contracts.Image.V1.GenerateResponse.EventOneofCase;

namespace Mesh.FunctionalTests;

/// <summary>All that came of one Generate call.</summary>
internal sealed class Drawn(IReadOnlyList<GenerateResponse> events)
{
    public IReadOnlyList<GenerateResponse> Events { get; } = events;

    public Accepted Accepted => Events[0].Accepted;

    public Encoded Encoded => Events.Single(x => x.EventCase == Event.Encoded).Encoded;

    public IEnumerable<Failed> Failures => Events.Where(x => x.EventCase == Event.Failed).Select(x => x.Failed);

    public Completed Completed(int index = 0) => Events.Single(x => x.EventCase == Event.Completed && x.Completed.Index == index).Completed;

    /// <summary>An image's file, whose pieces and hash were checked.</summary>
    public byte[] File(int index = 0)
    {
        Failures.ShouldBeEmpty();
        var file = Join(Events.Where(x => x.EventCase == Event.Image && x.Image.Index == index).Select(x => x.Image));
        SHA256.HashData(file).ShouldBe(Completed(index).Sha256.ToByteArray());
        return file;
    }

    /// <summary>A preview's file.</summary>
    public byte[] Preview(int index = 0) => Join(Events.Where(x => x.EventCase == Event.Preview && x.Preview.Index == index).Select(x => x.Preview));

    /// <summary>An image's pixels.</summary>
    public byte[] Pixels(int index = 0) => ImageCodec.Decode(File(index)).Pixels;

    private static byte[] Join(IEnumerable<Chunk> chunks)
    {
        var file = new List<byte>();
        foreach (var chunk in chunks)
        {
            chunk.OffsetBytes.ShouldBe(file.Count);
            file.AddRange(chunk.Data.Span);
        }
        return [.. file];
    }
}

internal static class Drawing
{
    /// <summary>Draws, and reads to the end. Every call has a deadline, so that none can hang a test.</summary>
    public static Task<Drawn> DrawAsync(this ImageService.ImageServiceClient images, GenerateRequest request, TimeSpan? deadline = null, CancellationToken cancel = default) =>
        images.DrawAsync(request, new CallOptions(deadline: DateTime.UtcNow + (deadline ?? TimeoutExtensions.Default), cancellationToken: cancel));

    /// <inheritdoc cref="DrawAsync(ImageService.ImageServiceClient, GenerateRequest, TimeSpan?, CancellationToken)"/>
    public static async Task<Drawn> DrawAsync(this ImageService.ImageServiceClient images, GenerateRequest request, CallOptions options)
    {
        using var call = images.Generate(request, options);
        var events = new List<GenerateResponse>();
        while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()) events.Add(call.ResponseStream.Current);
        return new(events);
    }

    /// <summary>The fault that a call ends with.</summary>
    public static async Task<RpcException> FaultAsync(this Task<Drawn> call) => await Should.ThrowAsync<RpcException>(() => call);
}
