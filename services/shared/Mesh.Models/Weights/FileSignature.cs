namespace Mesh.Models.Weights;

/// <summary>Recognises files that stand where safetensors should, by their first bytes, so that the message can say what they are.</summary>
internal static class FileSignature
{
    /// <summary>Extensions under which pickles are published.</summary>
    public static readonly string[] PickleExtensions = [".bin", ".ckpt", ".pt", ".pth", ".pkl"];

    /// <summary>Refuses git-LFS pointers and pickles.</summary>
    /// <param name="start">The file's first bytes, up to <see cref="LfsPointer.MaxBytes"/> + 1.</param>
    /// <param name="path">The file, for the message.</param>
    public static void ThrowIfForeign(ReadOnlySpan<byte> start, string path)
    {
        if (LfsPointer.TryParse(start) is { } pointer)
            throw pointer.Fault(path);
        if (IsZip(start) || IsBarePickle(start))
            throw Pickle(path);
    }

    public static bool IsZip(ReadOnlySpan<byte> start) => start.StartsWith("PK\x03\x04"u8);

    /// <summary>A pickle outside a zip: PROTO 2 to 5 and then an opcode (a safetensors header of 0x0280 bytes has zeros there).</summary>
    public static bool IsBarePickle(ReadOnlySpan<byte> start) => start.Length > 2 && start[0] == 0x80 && start[1] is >= 2 and <= 5 && start[2] != 0;

    public static WeightFileException Pickle(string path) => new($"{path} is a pickle, which can run code and is never loaded: "
        + $"turn it into safetensors with 'mesh models convert {path}'");
}
