using System.Globalization;
using System.Reflection;

namespace Mesh.Architecture.Tests;

/// <summary>Prints what an assembly shows to others, one member a line, in the form of the lists in <c>api/</c>.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void", [typeof(int)] = "int", [typeof(long)] = "long", [typeof(bool)] = "bool", [typeof(string)] = "string",
        [typeof(float)] = "float", [typeof(double)] = "double", [typeof(object)] = "object", [typeof(byte)] = "byte",
        [typeof(short)] = "short", [typeof(sbyte)] = "sbyte",
    };

    public static IEnumerable<string> Of(Assembly assembly) => assembly.GetTypes().Where(IsVisible).SelectMany(Members);

    private static bool IsVisible(Type type) => type.DeclaringType is null
        ? type.IsPublic
        : (type.IsNestedPublic || type.IsNestedFamily || type.IsNestedFamORAssem) && IsVisible(type.DeclaringType);

    private static IEnumerable<string> Members(Type type)
    {
        var name = Name(type);
        var isPlainBase = type.BaseType is null || type.BaseType == typeof(object) || type.BaseType == typeof(ValueType) || type.BaseType == typeof(Enum);
        yield return $"{name} : {Kind(type)}" + (isPlainBase ? "" : $" < {Name(type.BaseType!)}");
        if (type.IsEnum)
        {
            foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Static))
                yield return $"{name}.{field.Name} = {Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}";
            yield break;
        }
        foreach (var line in type.GetMembers(Declared).Select(member => Member(name, member)).OfType<string>()) yield return line;
    }

    private static string Kind(Type type)
    {
        if (type.IsInterface) return "interface";
        if (type.IsEnum) return "enum";
        if (type.IsValueType) return "struct";
        if (typeof(Delegate).IsAssignableFrom(type)) return "delegate";
        return type is { IsAbstract: true, IsSealed: true } ? "static class" : "class";
    }

    private static string? Member(string type, MemberInfo member) => member switch
    {
        ConstructorInfo c when IsOpen(c) => $"{type}.new({Parameters(c)})",
        MethodInfo m when IsOpen(m) && !m.Name.Contains('<') && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)) =>
            $"{Static(m.IsStatic)}{Name(m.ReturnType)} {type}.{m.Name}{Generics(m)}({Parameters(m)})",
        PropertyInfo p when p.GetAccessors(true).Any(IsOpen) =>
            $"{Static(p.GetAccessors(true)[0].IsStatic)}{Name(p.PropertyType)} {type}.{p.Name}{Index(p)} {{{Accessor(p.GetMethod, "get")}{Accessor(p.SetMethod, "set")} }}",
        FieldInfo f when f.IsPublic || f.IsFamily || f.IsFamilyOrAssembly => $"{Static(f.IsStatic)}{Name(f.FieldType)} {type}.{f.Name}",
        EventInfo e when e.AddMethod is { } add && IsOpen(add) => $"event {Name(e.EventHandlerType!)} {type}.{e.Name}",
        _ => null,
    };

    private static bool IsOpen(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Static(bool isStatic) => isStatic ? "static " : "";

    private static string Accessor(MethodInfo? method, string name) => method is not null && IsOpen(method) ? $" {name};" : "";

    private static string Index(PropertyInfo property) => property.GetIndexParameters() is { Length: > 0 } index
        ? $"[{string.Join(", ", index.Select(x => $"{Name(x.ParameterType)} {x.Name}"))}]"
        : "";

    private static string Generics(MethodInfo method) =>
        method.IsGenericMethodDefinition ? $"<{string.Join(", ", method.GetGenericArguments().Select(x => x.Name))}>" : "";

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(p =>
        Modifier(p) + Name(p.ParameterType) + " " + p.Name + (p.HasDefaultValue ? " = " + Default(p) : "")));

    private static string Modifier(ParameterInfo parameter)
    {
        if (parameter.IsOut) return "out ";
        if (parameter.ParameterType.IsByRef) return "ref ";
        return parameter.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "";
    }

    private static string Default(ParameterInfo parameter) => parameter.RawDefaultValue switch
    {
        null => "default",
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
        var value => value.ToString() ?? "",
    };

    private static string Name(Type type)
    {
        if (type.IsByRef) return Name(type.GetElementType()!);
        if (type.IsArray) return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (type.IsPointer) return Name(type.GetElementType()!) + "*";
        if (type.IsGenericParameter) return type.Name;
        if (Nullable.GetUnderlyingType(type) is { } underlying) return Name(underlying) + "?";
        if (Keywords.TryGetValue(type, out var keyword)) return keyword;
        var own = type.Name.Split('`')[0];
        var arguments = type.GetGenericArguments();
        var outer = type.DeclaringType?.GetGenericArguments().Length ?? 0;
        if (arguments.Length > outer) own += $"<{string.Join(", ", arguments.Skip(outer).Select(Name))}>";
        if (type.DeclaringType is { } declaring) return $"{Name(declaring)}.{own}";
        return type.Namespace is { Length: > 0 } space ? $"{space}.{own}" : own;
    }
}
