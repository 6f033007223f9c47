using System.Globalization;
using System.Text;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh.Architecture.Tests;

/// <summary>
/// Writes the types of API lists as C# without bodies, so that sources can be compiled against the whole of a package's API.
/// A list does not tell interfaces, constraints or what may be overridden: everything may, and the interfaces that members imply are named.
/// </summary>
internal sealed class StubWriter(IReadOnlyList<ListedType> types, IReadOnlyDictionary<string, string> interfaces)
{
    private const string Marker = "global::__Stub";

    private static readonly Dictionary<string, string> Operators = new(StringComparer.Ordinal)
    {
        ["op_Addition"] = "+", ["op_Subtraction"] = "-", ["op_Multiply"] = "*", ["op_Division"] = "/", ["op_Modulus"] = "%",
        ["op_BitwiseAnd"] = "&", ["op_BitwiseOr"] = "|", ["op_ExclusiveOr"] = "^", ["op_OnesComplement"] = "~", ["op_UnaryNegation"] = "-",
        ["op_Equality"] = "==", ["op_Inequality"] = "!=", ["op_LessThan"] = "<", ["op_LessThanOrEqual"] = "<=", ["op_GreaterThan"] = ">",
        ["op_GreaterThanOrEqual"] = ">=", ["op_LeftShift"] = "<<", ["op_RightShift"] = ">>",
    };

    /// <summary>Classes of the framework that have no abstract members; of others the stubs do without.</summary>
    private static readonly string[] Inheritable =
        ["System.Attribute", "System.Exception", "System.EventArgs", "System.Collections.ObjectModel.Collection<", "System.Collections.Generic.List<", "System.Net.Http."];

    /// <summary>Members that the lists know by the types of their tuples alone.</summary>
    private static readonly Dictionary<string, string> Named = new(StringComparer.Ordinal)
    {
        ["named_parameters"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.Modules.Parameter parameter)>",
        ["named_buffers"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.torch.Tensor buffer)>",
        ["named_children"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.torch.nn.Module module)>",
        ["named_modules"] = "System.Collections.Generic.IEnumerable<(string name, TorchSharp.torch.nn.Module module)>",
    };

    private static readonly string[] Protected = ["NewInstance", "ResolveAsync", "CreatePicker"];

    private readonly HashSet<string> _enums = [.. Flatten(types).Where(x => x.Kind == "enum").Select(x => x.Path)];
    private readonly HashSet<string> _classes = [.. Flatten(types).Where(x => x.Kind == "class").Select(x => x.Path.Split('<')[0])];
    private readonly StringBuilder _text = new();

    public string Write()
    {
        _text.AppendLine("#pragma warning disable").AppendLine("public sealed class __Stub { }");
        foreach (var type in types)
        {
            var space = Signature.Owner(type.Path);
            _text.AppendLine(CultureInfo.InvariantCulture, $"namespace {space} {{");
            WriteType(type);
            _text.AppendLine("}");
        }
        return _text.ToString();
    }

    private static IEnumerable<ListedType> Flatten(IEnumerable<ListedType> types) => types.SelectMany(x => Flatten(x.Nested).Prepend(x));

    private void WriteType(ListedType type)
    {
        if (type.Kind == "delegate")
        {
            var invoke = type.Members.Single(x => x.Name == "Invoke");
            _text.AppendLine(CultureInfo.InvariantCulture, $"public delegate {invoke.Type} {type.Name}({Parameters(invoke.Parameters!, false)}){Constraints(type.Name)};");
            return;
        }
        _text.AppendLine(CultureInfo.InvariantCulture, $"public {(type.Kind == "static class" ? "static partial class" : $"partial {type.Kind}".Replace("partial enum", "enum", StringComparison.Ordinal))} {type.Name}{Bases(type)}{(type.Name.StartsWith("ClientInterceptorContext", StringComparison.Ordinal) ? Constraints(type.Name) : "")} {{");
        var isStub = type.Kind == "class";
        if (isStub) _text.AppendLine(CultureInfo.InvariantCulture, $"protected internal {Bare(type.Name)}({Marker} _){(HasStubBase(type) ? " : base(_)" : "")} {{ }}");
        foreach (var member in type.Members) WriteMember(type, member, isStub);
        foreach (var nested in type.Nested) WriteType(nested);
        if (IsMessage(type)) _text.AppendLine("Google.Protobuf.Reflection.MessageDescriptor Google.Protobuf.IMessage.Descriptor => throw null!;");
        if (Enumerated(type) is { } element)
        {
            _text.AppendLine("System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => throw null!;");
            _text.AppendLine(CultureInfo.InvariantCulture, $"System.Collections.Generic.IEnumerator<{element}> System.Collections.Generic.IEnumerable<{element}>.GetEnumerator() => throw null!;");
        }
        _text.AppendLine("}");
    }

    private string Bases(ListedType type)
    {
        List<string> bases = [];
        if (type.Base is { } @base && type.Kind == "class" && (!IsOutside(@base) || Inheritable.Any(x => @base.StartsWith(x, StringComparison.Ordinal)))) bases.Add(@base);
        if (IsMessage(type)) bases.Add($"Google.Protobuf.IMessage<{type.Path}>");
        if (interfaces.TryGetValue(type.Path, out var named)) bases.Add(named);
        if (type.Kind is "class" or "struct")
        {
            if (type.Members.Any(x => x is { Name: "Dispose", Parameters: [] })) bases.Add("System.IDisposable");
            if (type.Members.Any(x => x is { Name: "DisposeAsync", Parameters: [] })) bases.Add("System.IAsyncDisposable");
            if (Enumerated(type) is { } element) bases.Add($"System.Collections.Generic.IEnumerable<{element}>");
        }
        return bases.Count > 0 ? " : " + string.Join(", ", bases) : "";
    }

    private static bool IsMessage(ListedType type) => type.Members.Any(x => x is { Name: "Parser", IsStatic: true });

    private static string? Enumerated(ListedType type) => type.Kind != "class" || (type.Base is { } b && b.StartsWith("System.Collections", StringComparison.Ordinal)) ? null
        : type.Members.FirstOrDefault(x => x is { Name: "GetEnumerator", Parameters: [] })?.Type is { } returned && returned.StartsWith("System.Collections.Generic.IEnumerator<", StringComparison.Ordinal)
            ? returned["System.Collections.Generic.IEnumerator<".Length..^1]
            : null;

    private bool IsOutside(string? path) => path is not null && !_classes.Contains(path.Split('<')[0]);

    private bool HasStubBase(ListedType type) => type.Base is not null && !IsOutside(type.Base);

    private void WriteMember(ListedType type, ListedMember member, bool isStub)
    {
        var text = member.Form switch
        {
            MemberForm.EnumValue => $"{Safe(member.Name)} = unchecked((int){member.Rest}),",
            MemberForm.Constructor when isStub => $"public {Bare(type.Name)}({Parameters(member.Parameters!, false)}) : this(({Marker})null!) {{ }}",
            MemberForm.Constructor when type.Kind == "struct" && member.Parameters!.Count > 0 => $"public {Bare(type.Name)}({Parameters(member.Parameters, false)}) {{ throw null!; }}",
            MemberForm.Constructor => "",
            MemberForm.Field => $"public {(member.IsStatic ? "static " : "")}{member.Type} {Safe(member.Name)};",
            MemberForm.Property => Property(type, member),
            _ => Method(type, member),
        };
        _text.AppendLine(text);
    }

    private static string Modifier(ListedType type, ListedMember member) => type.Kind switch
    {
        "interface" => "",
        _ when member.IsStatic => "public static ",
        "struct" => "public ",
        _ when IsProtected(member) => "protected virtual ",
        _ => "public virtual ",
    };

    /// <summary>The lists do not tell who may call; these are what our own code overrides.</summary>
    private static bool IsProtected(ListedMember member) => Protected.Contains(member.Name) || member.Name.EndsWith("Core", StringComparison.Ordinal)
        || (member.Name == "Dispose" && member.Parameters is ["bool disposing"]);

    private string Property(ListedType type, ListedMember member)
    {
        var accessors = type.Kind == "interface" ? member.Rest : member.Rest.Replace("get;", "get => throw null!;", StringComparison.Ordinal).Replace("set;", "set { }", StringComparison.Ordinal);
        var name = member.Parameters is null ? Safe(member.Name) : $"this[{Parameters([.. member.Parameters.Select(Spread)], false)}]";
        var index = member.Parameters is not null && member.Name != "Item" && type.Kind != "interface" ? $"[System.Runtime.CompilerServices.IndexerName(\"{member.Name}\")] " : "";
        return $"{index}{Modifier(type, member)}{member.Type} {name}{accessors}";
    }

    /// <summary>The lists do not tell that an indexer takes any number of arguments.</summary>
    private static string Spread(string parameter) => parameter.Split(' ')[0].EndsWith("[]", StringComparison.Ordinal) ? "params " + parameter : parameter;

    private string Method(ListedType type, ListedMember member)
    {
        var parameters = Parameters(member.Parameters!, type.Kind == "static class" && member.IsStatic && (Bare(type.Name).EndsWith("Extensions", StringComparison.Ordinal) || Bare(type.Name).EndsWith("ExtensionMethods", StringComparison.Ordinal)));
        if (member.Name is "op_Implicit" or "op_Explicit")
            return $"public static {(member.Name == "op_Implicit" ? "implicit" : "explicit")} operator {member.Type}({parameters}) => throw null!;";
        if (Operators.TryGetValue(member.Name, out var symbol)) return $"public static {member.Type} operator {symbol}({parameters}) => throw null!;";
        var isBare = type.Kind == "interface" && !(type.Name == "IAsyncStreamWriter<T>" && member.Parameters!.Count == 2);
        return $"{Modifier(type, member)}{Named.GetValueOrDefault(member.Name, member.Type)} {Safe(member.Name)}({parameters}){Constraints(member.Name)}{(isBare ? ";" : " => throw null!;")}";
    }

    /// <summary>The lists do not tell constraints; gRPC's messages are classes wherever a method or delegate is generic over them.</summary>
    private static string Constraints(string name) => (name.Contains("TRequest", StringComparison.Ordinal) ? " where TRequest : class" : "")
        + (name.Contains("TResponse", StringComparison.Ordinal) ? " where TResponse : class" : "");

    private string Parameters(IReadOnlyList<string> parameters, bool isExtension) =>
        (isExtension && parameters.Count > 0 && !parameters[0].StartsWith("ref ", StringComparison.Ordinal) ? "this " : "") + string.Join(", ", parameters.Select(Parameter));

    private string Parameter(string parameter)
    {
        var equals = parameter.IndexOf(" = ", StringComparison.Ordinal);
        var head = equals < 0 ? parameter : parameter[..equals];
        var space = Signature.LastOutside(head, ' ');
        var (type, name) = (head[..space], Safe(head[(space + 1)..]));
        return equals < 0 ? $"{type} {name}" : $"{type} {name} = {Default(type, parameter[(equals + 3)..])}";
    }

    private string Default(string type, string value)
    {
        if (value is "NaN") return "double.NaN";
        if (value.EndsWith("Infinity", StringComparison.Ordinal)) return value.StartsWith('-') ? "double.NegativeInfinity" : "double.PositiveInfinity";
        if (value is "default" or "true" or "false" || value.StartsWith('"')) return value;
        var plain = type.TrimEnd('?');
        if (plain is "float") return value + "f";
        if (plain is "int" or "long" or "double" or "byte" or "short") return value;
        return double.TryParse(value, CultureInfo.InvariantCulture, out _) ? $"({plain})({value})" : _enums.Contains(plain) ? $"{plain}.{value}" : "default";
    }

    private static string Bare(string name) => name.Split('<')[0];

    private static string Safe(string name) => SyntaxFacts.GetKeywordKind(Bare(name)) == SyntaxKind.None ? name : "@" + name;
}
