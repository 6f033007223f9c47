using System.Diagnostics.CodeAnalysis;
using Google.Protobuf.Reflection;

namespace Grpc.Reflection;

/// <summary>Files by name and by the full names of the symbols that they define, their dependencies included.</summary>
public class SymbolRegistry
{
    private readonly Dictionary<string, FileDescriptor> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _bySymbol = new(StringComparer.Ordinal);

    private SymbolRegistry()
    {
    }

    /// <summary>A registry of files and all that they import.</summary>
    public static SymbolRegistry FromFiles(IEnumerable<FileDescriptor> fileDescriptors)
    {
        ArgumentNullException.ThrowIfNull(fileDescriptors);
        var registry = new SymbolRegistry();
        foreach (var file in fileDescriptors)
            registry.AddFile(file);

        return registry;
    }

    /// <summary>The file of a name; null where there is none.</summary>
    public FileDescriptor? FileByName(string filename) => _byName.GetValueOrDefault(filename);

    /// <summary>The file that defines a symbol by its full name; null where there is none.</summary>
    public FileDescriptor? FileContainingSymbol(string symbol) => _bySymbol.GetValueOrDefault(symbol);

    /// <summary>The file that defines the extension with a number of a message; null where there is none.</summary>
    internal FileDescriptor? FileContainingExtension(string message, int number)
        => Extensions(message).FirstOrDefault(extension => extension.FieldNumber == number)?.File;

    /// <summary>The numbers of a message's known extensions, ascending; false where no such message is known.</summary>
    internal bool TryGetExtensionNumbers(string message, [NotNullWhen(true)] out IReadOnlyList<int>? numbers)
    {
        numbers = _bySymbol.TryGetValue(message, out var file) && DefinesMessage(file, message)
            ? [.. Extensions(message).Select(extension => extension.FieldNumber).Distinct().Order()]
            : null;
        return numbers is not null;
    }

    private static bool DefinesMessage(FileDescriptor file, string name) => AllMessages(file.MessageTypes).Any(message => message.FullName == name);

    private static IEnumerable<MessageDescriptor> AllMessages(IEnumerable<MessageDescriptor> messages)
        => messages.SelectMany(message => AllMessages(message.NestedTypes).Prepend(message));

    private IEnumerable<FieldDescriptor> Extensions(string message)
        => _byName.Values
            .SelectMany(file => file.Extensions.UnorderedExtensions.Concat(AllMessages(file.MessageTypes).SelectMany(m => m.Extensions.UnorderedExtensions)))
            .Where(extension => extension.ExtendeeType.FullName == message);

    private void AddFile(FileDescriptor file)
    {
        if (!_byName.TryAdd(file.Name, file))
            return;

        foreach (var dependency in file.Dependencies)
            AddFile(dependency);

        foreach (var service in file.Services)
        {
            AddSymbol(service);
            foreach (var method in service.Methods)
                AddSymbol(method);
        }

        foreach (var message in file.MessageTypes)
            AddMessage(message);

        foreach (var value in file.EnumTypes)
            AddEnum(value);

        foreach (var extension in file.Extensions.UnorderedExtensions)
            AddSymbol(extension);
    }

    private void AddMessage(MessageDescriptor message)
    {
        AddSymbol(message);
        foreach (var nested in message.NestedTypes)
            AddMessage(nested);

        foreach (var nested in message.EnumTypes)
            AddEnum(nested);

        foreach (var field in message.Fields.InDeclarationOrder())
            AddSymbol(field);

        foreach (var oneof in message.Oneofs)
            AddSymbol(oneof);

        foreach (var extension in message.Extensions.UnorderedExtensions)
            AddSymbol(extension);
    }

    private void AddEnum(EnumDescriptor descriptor)
    {
        AddSymbol(descriptor);
        foreach (var value in descriptor.Values)
            AddSymbol(value);
    }

    private void AddSymbol(IDescriptor descriptor) => _bySymbol[descriptor.FullName] = descriptor.File;
}
