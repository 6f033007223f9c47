using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Gateway.Stages;
using Mesh.Store;

namespace Mesh.Gateway.Images;

/// <summary>A prompt as a generator takes it.</summary>
/// <param name="Value">The embedding.</param>
/// <param name="Outcome">Where it was found.</param>
/// <param name="Timings">Of the text stage; null where it was not asked for this call.</param>
internal sealed record FoundEmbedding(Embedding Value, CacheOutcome Outcome, Timings? Timings);

/// <summary>
/// Embeddings: from this process, from Redis, else from the text stage, once for all who wait for the same. Negative and empty prompts
/// come again and again, so they have a place of their own, where a flood of other prompts cannot push them out.
/// </summary>
internal sealed class EmbeddingSource(MeshStages stages, EmbeddingCaches caches, GatewayMetrics metrics)
{
    public Task<FoundEmbedding> PromptAsync(GeneratePlan plan, CancellationToken cancel) => FindAsync(plan, plan.Prompt, absent: false, pinned: false, cancel);

    /// <summary>What guidance leads away from.</summary>
    public Task<FoundEmbedding> NegativeAsync(GeneratePlan plan, CancellationToken cancel) =>
        FindAsync(plan, plan.NegativePrompt ?? "", absent: plan.NegativePrompt is null, pinned: true, cancel);

    private async Task<FoundEmbedding> FindAsync(GeneratePlan plan, string prompt, bool absent, bool pinned, CancellationToken cancel)
    {
        var part = plan.Model.Text;
        var details = part.Model.Text;
        var work = new EncodeRequest { Model = part.Ref, Prompt = prompt, Absent = absent };
        work.Loras.AddRange(plan.Loras.Where(x => details.Loras.Any(y => y.Name == x.Name)));
        // Unlike devices round differently, so each kind has values of its own: a hit gives the bytes that a miss would.
        var numerics = string.Join("; ", part.Kinds) + (absent ? " absent" : "");
        var key = CacheKey.OfEmbedding(
            details.EncoderHash, details.TokenizerHash, prompt, details.Positions, numerics, work.Loras.Select(x => (details.Loras.First(y => y.Name == x.Name).Hash, x.Weight)));

        Timings? timings = null;
        async Task<byte[]> EncodeAsync(CancellationToken token)
        {
            // Others may wait for the same value, so this caller's deadline is not the work's.
            var answer = await stages.Text.SendAsync(work, part.Ref, null, token).ConfigureAwait(false);
            if (!IsWhole(answer.Value.Embedding)) throw new InvalidDataException("the text stage sent no whole embedding");
            timings = answer.Value.Timings;
            return answer.Value.Embedding.ToByteArray();
        }

        var (value, source) = await (pinned ? caches.Pinned : caches.Prompts).GetAsync(key, EncodeAsync, cancel).ConfigureAwait(false);
        if (Read(value) is { } found)
        {
            metrics.Cached(source);
            var outcome = source switch { CacheSource.Local => CacheOutcome.Local, CacheSource.Shared => CacheOutcome.Shared, _ => CacheOutcome.Miss };
            return new(found, outcome, source == CacheSource.Computed ? timings : null);
        }
        // Something whole, but no embedding, lies under the key: it is replaced.
        metrics.Cached(CacheSource.Computed);
        var fresh = await EncodeAsync(cancel).ConfigureAwait(false);
        await caches.ReplaceAsync(key, fresh, pinned, cancel).ConfigureAwait(false);
        return new(Embedding.Parser.ParseFrom(fresh), CacheOutcome.Miss, timings);
    }

    private static Embedding? Read(byte[] value)
    {
        try
        {
            var embedding = Embedding.Parser.ParseFrom(value);
            return IsWhole(embedding) ? embedding : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private static bool IsWhole(Embedding? embedding) => embedding?.Context is { Shape.Count: 2 } context && IsWhole(context) && (embedding.Pooled is not { } pooled || (pooled.Shape.Count == 1 && IsWhole(pooled)));

    private static bool IsWhole(Tensor tensor)
    {
        var element = tensor.DataType switch
        {
            DataType.Float32 => 4,
            DataType.Float16 or DataType.Bfloat16 => 2,
            _ => 0,
        };
        return element > 0 && tensor.Shape.All(x => x is > 0 and < 1 << 20) && tensor.Shape.Aggregate((long)element, (x, y) => x * y) == tensor.Data.Length;
    }
}
