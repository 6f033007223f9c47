namespace Microsoft.ML.Tokenizers;

/// <summary>One token: its id, its text in the vocabulary, and the characters of the (normalised) text that it stands for.</summary>
#pragma warning disable CA1067 // The package's type does not override Object.Equals.
public readonly struct EncodedToken : IEquatable<EncodedToken>
#pragma warning restore CA1067
{
    public EncodedToken(int id, string value, Range offset)
    {
        Id = id;
        Value = value;
        Offset = offset;
    }

    public int Id { get; }

    public string Value { get; }

    public Range Offset { get; }

    public bool Equals(EncodedToken other) => Id == other.Id && Value == other.Value && Offset.Equals(other.Offset);
}

/// <summary>What an encoder is asked for.</summary>
public struct EncodeSettings
{
    public EncodeSettings()
    {
        ConsiderPreTokenization = true;
        ConsiderNormalization = true;
        MaxTokenCount = int.MaxValue;
    }

    public bool ConsiderPreTokenization { get; set; }

    public bool ConsiderNormalization { get; set; }

    public int MaxTokenCount { get; set; }
}

/// <summary>What an encoder returns: tokens or ids, the normalised text if there was a normaliser, and how far it got.</summary>
public struct EncodeResults<T>
{
    public IReadOnlyList<T> Tokens { get; set; }

    public string? NormalizedText { get; set; }

    public int CharsConsumed { get; set; }
}
