using System.Reflection;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Mesh.Testing;

namespace Mesh.Architecture.Tests.Contracts;

/// <summary>The contracts as they are compiled now, and as they were when the committed descriptor was last refreshed.</summary>
internal static class ContractSet
{
    public const string CommittedPath = "tests/Mesh.Architecture.Tests/Contracts/contracts.binpb";

    /// <summary>Every file that Mesh.Contracts holds, with all that they import, imports first.</summary>
    public static FileDescriptorSet Compiled()
    {
        var set = new FileDescriptorSet();
        var seen = new HashSet<string>();
        foreach (var file in Files().OrderBy(x => x.Name, StringComparer.Ordinal))
            Add(file);
        return set;

        void Add(FileDescriptor file)
        {
            if (!seen.Add(file.Name))
                return;
            foreach (var import in file.Dependencies)
                Add(import);
            var compiled = FileDescriptorProto.Parser.ParseFrom(file.SerializedData);
            foreach (var message in compiled.MessageType)
                NameInJson(message);
            set.File.Add(compiled);
        }
    }

    public static FileDescriptorSet Committed()
    {
        using var file = File.OpenRead(Repository.PathOf(CommittedPath));
        return FileDescriptorSet.Parser.ParseFrom(file);
    }

    public static void Commit(FileDescriptorSet set) => File.WriteAllBytes(Repository.PathOf(CommittedPath), set.ToByteArray());

    // Generated code leaves out the JSON names that follow from the names; a descriptor set, as protoc writes it, says them.
    private static void NameInJson(DescriptorProto message)
    {
        foreach (var field in message.Field.Where(x => x.JsonName.Length == 0))
            field.JsonName = string.Concat(field.Name.Select((x, i) => x == '_' ? "" : i > 0 && field.Name[i - 1] == '_' ? char.ToUpperInvariant(x).ToString() : x.ToString()));
        foreach (var nested in message.NestedType)
            NameInJson(nested);
    }

    private static IEnumerable<FileDescriptor> Files() => typeof(Mesh.Contracts.Image.V1.ImageService).Assembly.GetTypes()
        .Where(x => x.Name.EndsWith("Reflection", StringComparison.Ordinal))
        .Select(x => x.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null)).OfType<FileDescriptor>();
}
