using Google.Protobuf.Reflection;
using Kind = Google.Protobuf.Reflection.FieldDescriptorProto.Types.Type;

namespace Mesh.Architecture.Tests.Contracts;

/// <summary>
/// Tells what of an older contract a newer one breaks: on the wire, in protobuf's JSON, or in the source of a caller. What is added breaks nothing.
/// Elements are known by their full names, so that a message may move from one file of a package to another.
/// </summary>
internal static class ContractComparer
{
    /// <summary>One line for each break, in the order of the older contract; none where every caller of the older one can go on.</summary>
    public static IReadOnlyList<string> Breaks(FileDescriptorSet before, FileDescriptorSet after)
    {
        var (old, now) = (new Elements(before), new Elements(after));
        return
        [
            .. old.Files.SelectMany(x => FileBreaks(x.Value, now.Files.GetValueOrDefault(x.Key))),
            .. old.Messages.SelectMany(x => MessageBreaks(x.Key, x.Value, now.Messages.GetValueOrDefault(x.Key))),
            .. old.Enums.SelectMany(x => EnumBreaks(x.Key, x.Value, now.Enums.GetValueOrDefault(x.Key))),
            .. old.Services.SelectMany(x => ServiceBreaks(x.Key, x.Value, now.Services.GetValueOrDefault(x.Key))),
        ];
    }

    private static IEnumerable<string> FileBreaks(FileDescriptorProto old, FileDescriptorProto? now)
    {
        if (now is null)
            yield break;
        if (now.Package != old.Package)
            yield return $"{old.Name}: package `{old.Package}` has become `{now.Package}`";
        if (now.Options?.CsharpNamespace != old.Options?.CsharpNamespace)
            yield return $"{old.Name}: csharp_namespace `{old.Options?.CsharpNamespace}` has become `{now.Options?.CsharpNamespace}`";
        if (now.Syntax != old.Syntax)
            yield return $"{old.Name}: syntax `{old.Syntax}` has become `{now.Syntax}`";
    }

    private static IEnumerable<string> MessageBreaks(string name, DescriptorProto old, DescriptorProto? now)
    {
        if (now is null)
            return [$"message {name} is gone"];
        return old.Field.SelectMany(field => FieldBreaks(name, old, field, now))
            .Concat(old.ReservedName.Except(now.ReservedName).Select(x => $"{name}: the name `{x}` is reserved no more"))
            .Concat(old.ReservedRange.SelectMany(x => Enumerable.Range(x.Start, Math.Min(x.End - x.Start, 1000)))
                .Where(x => !now.ReservedRange.Any(range => range.Start <= x && x < range.End)).Select(x => $"{name}: the number {x} is reserved no more"));
    }

    private static IEnumerable<string> FieldBreaks(string message, DescriptorProto oldMessage, FieldDescriptorProto old, DescriptorProto nowMessage)
    {
        var place = $"{message}.{old.Name}";
        var named = nowMessage.Field.FirstOrDefault(x => x.Name == old.Name);
        if (named is not null && named.Number != old.Number)
            return [$"{place}: number {old.Number} has become {named.Number}"];
        var now = nowMessage.Field.FirstOrDefault(x => x.Number == old.Number);
        if (now is null)
            return [$"{place}: the field (number {old.Number}) is gone"];
        (string What, string Old, string Now)[] properties =
        [
            ("name", old.Name, now.Name),
            ("type", TypeOf(old), TypeOf(now)),
            ("label", LabelOf(old), LabelOf(now)),
            ("oneof", OneofOf(oldMessage, old), OneofOf(nowMessage, now)),
            ("JSON name", old.JsonName, now.JsonName),
            ("packing", PackingOf(old), PackingOf(now)),
        ];
        return properties.Where(x => x.Old != x.Now).Select(x => $"{place}: {x.What} `{x.Old}` has become `{x.Now}`");
    }

    private static IEnumerable<string> EnumBreaks(string name, EnumDescriptorProto old, EnumDescriptorProto? now)
    {
        if (now is null)
            return [$"enum {name} is gone"];
        return old.Value.SelectMany(value =>
        {
            var same = now.Value.FirstOrDefault(x => x.Name == value.Name);
            return same is null ? [$"{name}.{value.Name}: the value ({value.Number}) is gone"]
                : same.Number != value.Number ? [$"{name}.{value.Name}: number {value.Number} has become {same.Number}"]
                : Array.Empty<string>();
        });
    }

    private static IEnumerable<string> ServiceBreaks(string name, ServiceDescriptorProto old, ServiceDescriptorProto? now)
    {
        if (now is null)
            return [$"service {name} is gone"];
        return old.Method.SelectMany(method => MethodBreaks($"{name}.{method.Name}", method, now.Method.FirstOrDefault(x => x.Name == method.Name)));
    }

    private static IEnumerable<string> MethodBreaks(string place, MethodDescriptorProto old, MethodDescriptorProto? now)
    {
        if (now is null)
            return [$"{place}: the rpc is gone"];
        (string What, string Old, string Now)[] properties =
        [
            ("request", old.InputType, now.InputType),
            ("response", old.OutputType, now.OutputType),
            ("request streaming", StreamingOf(old.ClientStreaming), StreamingOf(now.ClientStreaming)),
            ("response streaming", StreamingOf(old.ServerStreaming), StreamingOf(now.ServerStreaming)),
        ];
        return properties.Where(x => x.Old != x.Now).Select(x => $"{place}: {x.What} `{x.Old}` has become `{x.Now}`");
    }

    private static string TypeOf(FieldDescriptorProto field) => field.Type is Kind.Message or Kind.Enum or Kind.Group
        ? field.TypeName.TrimStart('.')
        : field.Type.ToString().ToLowerInvariant();

    private static string LabelOf(FieldDescriptorProto field) => field.Proto3Optional ? "optional"
        : field.Label == FieldDescriptorProto.Types.Label.Repeated ? "repeated"
        : field.Label == FieldDescriptorProto.Types.Label.Required ? "required"
        : "single";

    // A field with `optional` stands in a oneof of its own that no caller sees.
    private static string OneofOf(DescriptorProto message, FieldDescriptorProto field) =>
        field.HasOneofIndex && !field.Proto3Optional ? message.OneofDecl[field.OneofIndex].Name : "none";

    private static string PackingOf(FieldDescriptorProto field) => field.Options?.HasPacked == true ? field.Options.Packed ? "packed" : "unpacked" : "default";

    private static string StreamingOf(bool streams) => streams ? "stream" : "one";

    /// <summary>What a set holds, by full name, nested elements with it.</summary>
    private sealed class Elements
    {
        public Elements(FileDescriptorSet set)
        {
            foreach (var file in set.File)
            {
                Files.Add(file.Name, file);
                foreach (var message in file.MessageType)
                    Add(file.Package, message);
                foreach (var value in file.EnumType)
                    Enums.Add($"{file.Package}.{value.Name}", value);
                foreach (var service in file.Service)
                    Services.Add($"{file.Package}.{service.Name}", service);
            }
        }

        public Dictionary<string, FileDescriptorProto> Files { get; } = [];

        public Dictionary<string, DescriptorProto> Messages { get; } = [];

        public Dictionary<string, EnumDescriptorProto> Enums { get; } = [];

        public Dictionary<string, ServiceDescriptorProto> Services { get; } = [];

        private void Add(string outer, DescriptorProto message)
        {
            var name = $"{outer}.{message.Name}";
            Messages.Add(name, message);
            foreach (var nested in message.NestedType)
                Add(name, nested);
            foreach (var value in message.EnumType)
                Enums.Add($"{name}.{value.Name}", value);
        }
    }
}
