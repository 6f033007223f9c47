using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>What a U-Net is told of texts, one row a text. Disposing of it disposes of the tensors.</summary>
/// <param name="Context">Token states, [B, L, width].</param>
/// <param name="Pooled">SDXL's pooled text, [B, width]; null for models without.</param>
public sealed record TextConditioning(Tensor Context, Tensor? Pooled = null) : IDisposable
{
    /// <summary>Texts.</summary>
    public int Count => (int)Context.shape[0];

    /// <summary>The rows of several texts under one another. New tensors.</summary>
    public static TextConditioning Stack(IReadOnlyList<TextConditioning> rows)
    {
        var pooled = rows[0].Pooled is null ? null : cat([.. rows.Select(r => r.Pooled!)], 0);
        return new TextConditioning(cat([.. rows.Select(r => r.Context)], 0), pooled);
    }

    /// <summary>Some rows, in order. New tensors that share memory with these.</summary>
    public TextConditioning Rows(int first, int count) => new(Context.narrow(0, first, count), Pooled?.narrow(0, first, count));

    /// <summary>Zeros of the same shape: what SDXL takes for an absent negative text. New tensors.</summary>
    public TextConditioning Zeros() => new(Context.mul(0), Pooled?.mul(0));

    /// <summary>The same values elsewhere. New tensors.</summary>
    public TextConditioning To(Device device, ScalarType type) => new(Context.to(device).to(type, copy: true), Pooled?.to(device).to(type, copy: true));

    /// <inheritdoc/>
    public void Dispose()
    {
        Context.Dispose();
        Pooled?.Dispose();
    }
}
