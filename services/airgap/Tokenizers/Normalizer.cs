namespace Microsoft.ML.Tokenizers;

/// <summary>Rewrites a text before it is split.</summary>
public abstract class Normalizer
{
    protected Normalizer()
    {
    }

    public abstract string Normalize(string original);

    public abstract string Normalize(ReadOnlySpan<char> original);
}

/// <summary>Invariant lower case, character by character.</summary>
public sealed class LowerCaseNormalizer : Normalizer
{
    public LowerCaseNormalizer()
    {
    }

    public static LowerCaseNormalizer Instance { get; } = new();

    public override string Normalize(string original) => original?.ToLowerInvariant() ?? string.Empty;

    public override string Normalize(ReadOnlySpan<char> original) => Normalize(original.ToString());
}

/// <summary>Invariant upper case, character by character.</summary>
public sealed class UpperCaseNormalizer : Normalizer
{
    public UpperCaseNormalizer()
    {
    }

    public static UpperCaseNormalizer Instance { get; } = new();

    public override string Normalize(string original) => original?.ToUpperInvariant() ?? string.Empty;

    public override string Normalize(ReadOnlySpan<char> original) => Normalize(original.ToString());
}
