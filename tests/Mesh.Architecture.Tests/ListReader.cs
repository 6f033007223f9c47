using System.Text.RegularExpressions;

namespace Mesh.Architecture.Tests;

/// <summary>Reads API lists back into types and members.</summary>
internal static partial class ListReader
{
    /// <summary>The types that no other type holds, each with what it holds.</summary>
    public static IReadOnlyList<ListedType> Read(IEnumerable<string> lines)
    {
        var all = lines.Distinct(StringComparer.Ordinal).ToList();
        var types = all.Select(x => TypeLine().Match(x)).Where(x => x.Success)
            .Select(x => new ListedType(x.Groups["name"].Value, x.Groups["kind"].Value, x.Groups["base"].Success ? x.Groups["base"].Value : null))
            .DistinctBy(x => x.Path).ToDictionary(x => x.Path, StringComparer.Ordinal);
        foreach (var line in all.Where(x => !TypeLine().IsMatch(x) && !x.StartsWith("event ", StringComparison.Ordinal)))
        {
            var (owner, member) = Member(line);
            if (types.TryGetValue(owner, out var type)) type.Members.Add(member);
        }
        foreach (var type in types.Values)
        {
            if (types.TryGetValue(Signature.Owner(type.Path), out var outer)) outer.Nested.Add(type);
        }
        return [.. types.Values.Where(x => !types.ContainsKey(Signature.Owner(x.Path)))];
    }

    private static (string Owner, ListedMember Member) Member(string line)
    {
        if (EnumLine().Match(line) is { Success: true } value)
            return (value.Groups["owner"].Value, new(MemberForm.EnumValue, true, "", value.Groups["name"].Value, null, value.Groups["value"].Value));
        var isStatic = line.StartsWith("static ", StringComparison.Ordinal);
        var text = isStatic ? line["static ".Length..] : line;
        var open = text.IndexOf('(', StringComparison.Ordinal);
        var accessors = PropertyLine().Match(text);
        if (accessors.Success && (open < 0 || accessors.Index < open)) return Property(text, accessors, isStatic);
        if (open < 0) return Named(text, MemberForm.Field, isStatic, null, "");
        var parameters = Signature.Split(text[(open + 1)..text.LastIndexOf(')')]);
        return text[..open].EndsWith(".new", StringComparison.Ordinal)
            ? (text[..(open - ".new".Length)], new(MemberForm.Constructor, false, "", "", parameters, ""))
            : Named(text[..open], MemberForm.Method, isStatic, parameters, "");
    }

    private static (string Owner, ListedMember Member) Property(string text, Match accessors, bool isStatic)
    {
        var head = text[..accessors.Index];
        if (!head.EndsWith(']')) return Named(head, MemberForm.Property, isStatic, null, accessors.Value);
        var open = head.LastIndexOf('[');
        for (var depth = 1; depth > 0;)
        {
            // An indexer's own bracket is the one that closes last; its parameters may hold array types.
            var before = head[..open];
            depth = head[(open + 1)..^1].Count(x => x == ']') - head[(open + 1)..^1].Count(x => x == '[') + 1;
            if (depth == 1 && before.Length > 0 && char.IsLetterOrDigit(before[^1]) && Signature.LastOutside(before, ' ') > 0) break;
            open = before.LastIndexOf('[');
        }
        return Named(head[..open], MemberForm.Property, isStatic, Signature.Split(head[(open + 1)..^1]), accessors.Value);
    }

    private static (string Owner, ListedMember Member) Named(string head, MemberForm form, bool isStatic, IReadOnlyList<string>? parameters, string rest)
    {
        var space = Signature.LastOutside(head, ' ');
        var path = head[(space + 1)..];
        return (Signature.Owner(path), new(form, isStatic, head[..space], Signature.Last(path), parameters, rest));
    }

    [GeneratedRegex(@"^(?<name>[^()]+?) : (?<kind>static class|class|struct|interface|enum|delegate)( < (?<base>.+))?$")]
    private static partial Regex TypeLine();

    [GeneratedRegex(@"^(?<owner>[\w.<>, ]+)\.(?<name>\w+) = (?<value>-?\d+)$")]
    private static partial Regex EnumLine();

    [GeneratedRegex(@" \{( get;)?( set;)? \}$")]
    private static partial Regex PropertyLine();
}
