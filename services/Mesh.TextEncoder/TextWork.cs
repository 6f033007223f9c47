using Mesh.Hosting.Stages;
using Mesh.Models.Lora;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.TextEncoder;

/// <summary>Encodes a batch of prompts, each by itself, so that its numbers never depend on what it is asked for together with.</summary>
internal sealed class TextWork : IStageWork<TextModel, LoraSet, TextItem, EncodedText>
{
    public string Stage => "text";

    public IReadOnlyList<EncodedText> Run(TextModel model, TextModel? companion, LoraSet key, IReadOnlyList<TextItem> items, CancellationToken unwanted)
    {
        Merge(model, key);
        var known = new Dictionary<(string, bool), EncodedText>();
        var results = new EncodedText[items.Count];
        for (var i = 0; i < items.Count; i++)
        {
            unwanted.ThrowIfCancellationRequested();
            var item = items[i];
            if (item.Unwanted.IsCancellationRequested) continue;
            if (!known.TryGetValue((item.Prompt, item.Absent), out var encoded))
                known[(item.Prompt, item.Absent)] = encoded = item.Absent && model.ZerosForAbsent ? Zeros(model) : Encode(model, item.Prompt);
            results[i] = encoded;
        }
        return results;
    }

    public Rehearsal<LoraSet, TextItem> Rehearse(TextModel model, int size) =>
        new(LoraSet.None, [.. Enumerable.Range(0, size).Select(i => new TextItem($"a picture of {i} red apples", false, CancellationToken.None))]);

    private static void Merge(TextModel model, LoraSet loras)
    {
        try
        {
            model.Loras.Use([.. loras.Choices.Select(x => (x.Name, (double)x.Weight))]);
        }
        catch (Exception e) when (e is IOException or WeightFileException or LoraFormatException)
        {
            throw StageFaults.UnusableLora(loras, e);
        }
    }

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
