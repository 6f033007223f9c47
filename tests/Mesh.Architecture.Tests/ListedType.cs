namespace Mesh.Architecture.Tests;

/// <summary>A type as an API list tells of it.</summary>
/// <param name="Path">Its full name, nesting and type parameters included.</param>
/// <param name="Kind">class, static class, struct, interface, enum or delegate.</param>
/// <param name="Base">Its base class, where it has one of interest.</param>
internal sealed record ListedType(string Path, string Kind, string? Base)
{
    public List<ListedMember> Members { get; } = [];

    public List<ListedType> Nested { get; } = [];

    public string Name => Signature.Last(Path);
}

internal enum MemberForm
{
    Constructor,
    Method,
    Property,
    Field,
    EnumValue,
}

/// <summary>A member as an API list tells of it.</summary>
/// <param name="Form">What it is.</param>
/// <param name="IsStatic">Whether it needs no instance.</param>
/// <param name="Type">What it gives.</param>
/// <param name="Name">Its name with its own type parameters.</param>
/// <param name="Parameters">Of a method or an indexer, as listed.</param>
/// <param name="Rest">The accessors of a property, the value of an enum's member.</param>
internal sealed record ListedMember(MemberForm Form, bool IsStatic, string Type, string Name, IReadOnlyList<string>? Parameters, string Rest);

/// <summary>Cuts names and parameter lists at the marks that stand outside angle and square brackets.</summary>
internal static class Signature
{
    public static string Last(string path) => path[(LastOutside(path, '.') + 1)..];

    public static string Owner(string path) => path[..Math.Max(LastOutside(path, '.'), 0)];

    public static int LastOutside(string text, char mark)
    {
        var (depth, found) = (0, -1);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '<' or '[') depth++;
            else if (text[i] is '>' or ']') depth--;
            else if (depth == 0 && text[i] == mark) found = i;
        }
        return found;
    }

    public static IReadOnlyList<string> Split(string parameters)
    {
        List<string> parts = [];
        var (depth, start) = (0, 0);
        for (var i = 0; i < parameters.Length; i++)
        {
            if (parameters[i] is '<' or '[') depth++;
            else if (parameters[i] is '>' or ']') depth--;
            else if (depth == 0 && parameters[i] == ',')
            {
                parts.Add(parameters[start..i].Trim());
                start = i + 1;
            }
        }
        if (start < parameters.Length) parts.Add(parameters[start..].Trim());
        return parts;
    }
}
