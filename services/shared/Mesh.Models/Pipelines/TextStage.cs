using Mesh.Models.Networks;
using Mesh.Models.Text;
using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>A tokenizer with the encoder that reads its ids.</summary>
/// <param name="Tokenizer">Null where ids are given.</param>
/// <param name="Encoder">The encoder; it belongs to the stage that is made from it.</param>
public sealed record TextTower(ClipTokenizer? Tokenizer, ClipTextEncoder Encoder);

/// <summary>
/// Texts to conditioning: one encoder's last states (SD 1.5, 2.x), or two encoders' last but one states side by side with the second's pooled text (SDXL).
/// Each text is encoded by itself, so that its numbers never depend on what it is asked for together with.
/// </summary>
public sealed class TextStage : IDisposable
{
    private readonly TextTower[] _towers;

    /// <summary>A stage of one or two encoders.</summary>
    /// <exception cref="ArgumentException">Another number, or a second encoder without projection.</exception>
    public TextStage(params ReadOnlySpan<TextTower> towers)
    {
        _towers = [.. towers];
        if (_towers.Length is not (1 or 2) || (_towers.Length == 2 && _towers[1].Encoder.Config.ProjectionDim is null))
            throw new ArgumentException("one encoder, or two of which the second projects", nameof(towers));
        foreach (var tower in _towers)
            tower.Encoder.eval();
    }

    /// <summary>The encoders, for LoRAs.</summary>
    public IReadOnlyList<ClipTextEncoder> Encoders => [.. _towers.Select(t => t.Encoder)];

    /// <summary>The tokenizers, for lengths and hashes.</summary>
    public IReadOnlyList<ClipTokenizer> Tokenizers => [.. _towers.Select(t => t.Tokenizer ?? throw new InvalidOperationException("this stage was made without tokenizers"))];

    /// <summary>Width of the states that come out.</summary>
    public int Width => _towers.Sum(t => t.Encoder.Config.HiddenSize);

    /// <summary>Encodes texts; equal ones once. The caller disposes of the result.</summary>
    /// <param name="prompts">At least one.</param>
    /// <param name="clipSkip">How many of the encoders' last layers to leave out, from 0.</param>
    public TextConditioning Encode(IReadOnlyList<string> prompts, int clipSkip = 0)
    {
        using var scope = NewDisposeScope();
        var known = new Dictionary<string, TextConditioning>(StringComparer.Ordinal);
        foreach (var prompt in prompts.Where(p => !known.ContainsKey(p)).ToArray())
        {
            var ids = Tokenizers.Select(t => tensor(t.EncodePadded(prompt).Select(id => (long)id).ToArray(), [1, t.MaxLength])).ToArray();
            known[prompt] = EncodeIds(ids, clipSkip);
        }

        return Outwards(TextConditioning.Stack([.. prompts.Select(p => known[p])]));
    }

    /// <summary>Encodes rows of ids, each by itself. The caller disposes of the result.</summary>
    /// <param name="ids">For each encoder [B, L] Int64.</param>
    /// <param name="clipSkip">How many of the encoders' last layers to leave out, from 0.</param>
    public TextConditioning EncodeIds(IReadOnlyList<Tensor> ids, int clipSkip = 0)
    {
        if (ids.Count != _towers.Length)
            throw new ArgumentException($"ids for {ids.Count} encoders where there are {_towers.Length}", nameof(ids));
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var rows = Enumerable.Range(0, (int)ids[0].shape[0]).Select(row => EncodeRow([.. ids.Select(i => i.narrow(0, row, 1))], clipSkip));
        return Outwards(TextConditioning.Stack([.. rows]));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tower in _towers)
            tower.Encoder.Dispose();
    }

    private TextConditioning EncodeRow(Tensor[] ids, int clipSkip)
    {
        using var scope = NewDisposeScope();
        var outputs = ids.Select((row, i) => _towers[i].Encoder.Encode(row.to(DeviceOf(_towers[i].Encoder)))).ToArray();
        var row = _towers.Length == 1
            ? new TextConditioning(outputs[0].Skipped(clipSkip))
            : new TextConditioning(cat([.. outputs.Select(o => o.Penultimate(clipSkip))], -1), outputs[1].TextEmbeds!.alias());
        return Outwards(row);
    }

    private static Device DeviceOf(ClipTextEncoder encoder) => encoder.parameters().First().device;

    private static TextConditioning Outwards(TextConditioning value)
    {
        value.Context.MoveToOuterDisposeScope();
        value.Pooled?.MoveToOuterDisposeScope();
        return value;
    }
}
