namespace Mesh.Training.Data;

/// <summary>What is known of one picture.</summary>
/// <param name="Index">Its place in the set.</param>
/// <param name="Captions">Texts that describe it, at least one.</param>
/// <param name="Split">Which part of the set it belongs to; <c>test</c> is never trained on.</param>
/// <param name="Fields">What else its line says, by name: texts as they stand, everything else as JSON.</param>
public sealed record PictureEntry(int Index, IReadOnlyList<string> Captions, string Split, IReadOnlyDictionary<string, string> Fields)
{
    /// <summary>The part that is kept for judging.</summary>
    public const string TestSplit = "test";

    /// <summary>Whether it may be trained on.</summary>
    public bool IsTrained => Split != TestSplit;
}
