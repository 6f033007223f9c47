using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;

namespace Mesh.Gateway.Tests.Web;

/// <summary>Makes "images" out of their seeds, at once or when it is told to, and keeps what it was asked.</summary>
internal sealed class FakeImages : IImages
{
    public const int ImageBytes = 150_000;
    public const int PreviewBytes = 900;

    private const int ChunkBytes = 64 * 1024;

    public ConcurrentQueue<(GenerateRequest Request, Caller Caller)> Calls { get; } = new();

    /// <summary>Awaited before the first event.</summary>
    public Func<CancellationToken, Task> BeforeAccepted { get; set; } = _ => Task.CompletedTask;

    /// <summary>Awaited between the previews and the images.</summary>
    public Func<CancellationToken, Task> BeforeImages { get; set; } = _ => Task.CompletedTask;

    /// <summary>Instead of this image comes its failure.</summary>
    public (int Index, Google.Rpc.Status Status)? Failure { get; set; }

    /// <summary>Whether what comes is said to be stored.</summary>
    public bool Replayed { get; set; }

    /// <summary>Done once a call's token was cancelled.</summary>
    public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public List<ModelInfo> Models { get; } =
    [
        new()
        {
            Model = new ModelRef { Id = "emoji", Version = "ab12" }, Recipe = "flow", DefaultSteps = 1, DefaultGuidance = 1, WidthPx = 64, HeightPx = 64, SizeMultiplePx = 8,
            Loras = { "ink" }, Loaded = true, Preview = true,
        },
    ];

    public static byte[] Image(ulong seed) => Bytes(seed, ImageBytes);

    public static byte[] Preview(ulong seed) => Bytes(seed + 1_000_000, PreviewBytes);

    public async IAsyncEnumerable<GenerateResponse> GenerateAsync(GenerateRequest request, Caller caller, [EnumeratorCancellation] CancellationToken cancel)
    {
        Calls.Enqueue((request.Clone(), caller));
        using var seen = cancel.Register(() => Cancelled.TrySetResult());
        await BeforeAccepted(cancel);
        var count = Math.Max(1, request.Count);
        var first = request.Seeds.Count > 0 ? request.Seeds[0] : 77;
        ulong[] seeds = [.. Enumerable.Range(0, count).Select(i => first + (ulong)i)];
        var sequence = 0L;
        GenerateResponse Event(Action<GenerateResponse> set)
        {
            var response = new GenerateResponse { Sequence = ++sequence };
            set(response);
            return response;
        }

        var accepted = new Accepted
        {
            RequestId = request.RequestId is { Length: > 0 } id ? id : "made-here",
            Model = new ModelRef { Id = request.Model is { Length: > 0 } model ? model : "emoji", Version = "ab12" },
            WidthPx = request.WidthPx == 0 ? 64 : request.WidthPx,
            HeightPx = request.HeightPx == 0 ? 64 : request.HeightPx,
            Replayed = Replayed,
        };
        accepted.Seeds.AddRange(seeds);
        yield return Event(x => x.Accepted = accepted);
        yield return Event(x => x.Encoded = new Encoded { Cache = CacheOutcome.Miss });
        for (var i = 0; request.Preview && i < count; i++)
        {
            foreach (var chunk in Chunks(i, Preview(seeds[i]), "image/jpeg")) yield return Event(x => x.Preview = chunk);
        }
        await BeforeImages(cancel);
        // Backwards: who waits for the images must put them in order.
        for (var i = count - 1; i >= 0; i--)
        {
            if (Failure is { } failure && failure.Index == i)
            {
                yield return Event(x => x.Failed = new Failed { Index = i, Status = failure.Status });
                continue;
            }
            var bytes = Image(seeds[i]);
            foreach (var chunk in Chunks(i, bytes, "image/png")) yield return Event(x => x.Image = chunk);
            var (index, seed) = (i, seeds[i]);
            yield return Event(x => x.Completed = new Completed
            {
                Index = index,
                Seed = seed,
                Model = accepted.Model,
                Sha256 = ByteString.CopyFrom(SHA256.HashData(bytes)),
                Generate = new Timings { QueueUs = 10, ComputeUs = 200, TotalUs = 220, BatchSize = 3 },
                Decode = new Timings { QueueUs = 5, ComputeUs = 100, TotalUs = 110, BatchSize = 1 },
            });
        }
    }

    public async IAsyncEnumerable<UpscaleResponse> UpscaleAsync(UpscaleRequest request, Caller caller, [EnumeratorCancellation] CancellationToken cancel)
    {
        await BeforeAccepted(cancel);
        yield return new UpscaleResponse { Sequence = 1, Accepted = new Accepted { RequestId = "made-here", Replayed = Replayed } };
        yield return new UpscaleResponse { Sequence = 2, Completed = new Completed() };
    }

    public GetCapabilitiesResponse GetCapabilities() => new() { Preview = Models[0].Preview };

    /// <summary>One model a page, so that whoever reads them all must turn pages.</summary>
    public ListModelsResponse ListModels(ListModelsRequest request)
    {
        var at = request.PageToken.Length == 0 ? 0 : int.Parse(request.PageToken, System.Globalization.CultureInfo.InvariantCulture);
        return new ListModelsResponse { Models = { Models[at] }, NextPageToken = at + 1 < Models.Count ? $"{at + 1}" : "" };
    }

    private static byte[] Bytes(ulong seed, int count)
    {
        var bytes = new byte[count];
        new Random((int)seed).NextBytes(bytes);
        return bytes;
    }

    private static IEnumerable<Chunk> Chunks(int index, byte[] bytes, string type)
    {
        for (var at = 0; at < bytes.Length; at += ChunkBytes)
        {
            var length = Math.Min(ChunkBytes, bytes.Length - at);
            yield return new Chunk
            {
                Index = index, MimeType = at == 0 ? type : "", OffsetBytes = at, Data = ByteString.CopyFrom(bytes, at, length), Last = at + length == bytes.Length,
            };
        }
    }
}
