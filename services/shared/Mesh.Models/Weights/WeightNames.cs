using System.Text.RegularExpressions;

namespace Mesh.Models.Weights;

/// <summary>The other names under which published files hold the same tensors, and the tensors that they hold for nothing.</summary>
internal static partial class WeightNames
{
    private const string TextPrefix = "text_model.";

    private static readonly (string New, string Old)[] AttentionNames =
        [(".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")];

    /// <summary>Where to look for <paramref name="name"/> when it is not there itself: CLIP's optional prefix, the autoencoder's old attention names.</summary>
    public static IEnumerable<string> Alternatives(string name)
    {
        yield return name.StartsWith(TextPrefix, StringComparison.Ordinal) ? name[TextPrefix.Length..] : TextPrefix + name;
        if (OldAttentionName(name) is { } old)
            yield return old;
    }

    /// <summary>Whether a file may hold the tensor although no network uses it: buffers that follow from the configuration, training leftovers.</summary>
    public static bool IsIgnorable(string name) => name.EndsWith("position_ids", StringComparison.Ordinal) || name.EndsWith("attend.scale", StringComparison.Ordinal)
        || name.StartsWith("model_ema.", StringComparison.Ordinal);

    /// <summary>The name that <paramref name="name"/> had in the autoencoder's attention before it was renamed, or null outside of it.</summary>
    public static string? OldAttentionName(string name)
    {
        if (!AutoencoderAttention().IsMatch(name))
            return null;
        foreach (var (current, old) in AttentionNames)
        {
            if (name.Contains(current, StringComparison.Ordinal))
                return name.Replace(current, old, StringComparison.Ordinal);
        }
        return null;
    }

    /// <summary>Whether a matrix under that name may be stored as a 1x1 convolution, [a, b, 1, 1].</summary>
    public static bool MayBeConvolution(string name) => OldAttentionName(name) is not null;

    [GeneratedRegex(@"^(encoder|decoder)\.mid_block\.attentions\.\d+\.")]
    private static partial Regex AutoencoderAttention();
}
