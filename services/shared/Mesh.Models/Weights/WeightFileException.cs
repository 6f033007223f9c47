using System.Globalization;
using System.Text;

namespace Mesh.Models.Weights;

/// <summary>A weight file, a model folder or one of its configurations cannot be used. The message is one sentence that names the file and the fault.</summary>
public class WeightFileException : Exception
{
    public WeightFileException(string message)
        : base(message)
    {
    }

    public WeightFileException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public WeightFileException()
    {
    }

    /// <summary>A name out of a file, made safe to print: quoted, control characters escaped, cut at 160 characters.</summary>
    public static string Quote(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        const int longest = 160;
        var text = new StringBuilder("'");
        foreach (char c in name.AsSpan(0, Math.Min(name.Length, longest)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) && name.Length > longest)
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                text.Append(c);
        }
        if (name.Length > longest)
            text.Append(CultureInfo.InvariantCulture, $"… ({name.Length} characters)");
        return text.Append('\'').ToString();
    }

    internal static string Shape(IEnumerable<long> shape) => $"[{string.Join(", ", shape)}]";
}

/// <summary>The tensors of a file are not those of the network that should be loaded from it.</summary>
public sealed class WeightMismatchException : WeightFileException
{
    public WeightMismatchException(string message)
        : base(message)
    {
    }

    public WeightMismatchException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public WeightMismatchException()
    {
    }

    /// <summary>Names that the network has and the file lacks.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    /// <summary>Names that the file has and the network does not know.</summary>
    public IReadOnlyList<string> Unexpected { get; init; } = [];

    /// <summary>Names whose shapes differ.</summary>
    public IReadOnlyList<string> WrongShape { get; init; } = [];
}
