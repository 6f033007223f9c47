using Mesh.Batching;
using Mesh.Hosting.Stages;
using static TorchSharp.torch;

namespace Mesh.TextEncoder;

/// <summary>Encodes a batch of prompts, each by itself, so that its numbers never depend on what it is asked for together with.</summary>
internal sealed class TextWork : IStageWork<TextModel, LoraSet, TextItem, EncodedText>
{
    public string Stage => "text";

    public void Run(TextModel model, TextModel? companion, LoraSet key, IBatch<TextItem, EncodedText> batch)
    {
        model.Merge(key);
        var known = new Dictionary<TextItem, EncodedText>();
        batch.Each(item =>
        {
            if (!known.TryGetValue(item, out var encoded))
                known[item] = encoded = item.Absent && model.ZerosForAbsent ? Zeros(model) : Encode(model, item.Prompt);
            return encoded;
        });
    }

    public Rehearsal<LoraSet, TextItem> Rehearse(TextModel model, int size) =>
        new(LoraSet.None, [.. Enumerable.Range(0, size).Select(i => new TextItem($"a picture of {i} red apples", false))]);

    private static EncodedText Encode(TextModel model, string prompt)
    {
        using var scope = NewDisposeScope();
        using var encoded = model.Stage.Encode([prompt]);
        return new(Values(encoded.Context), (int)encoded.Context.shape[1], encoded.Pooled is { } pooled ? Values(pooled) : null);
    }

    private static EncodedText Zeros(TextModel model) => new(
        new float[model.Positions * model.Stage.Width], model.Positions, model.PooledWidth is { } width ? new float[width] : null);

    private static float[] Values(Tensor tensor) => tensor.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
}
