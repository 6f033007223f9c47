using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;

namespace Grpc.Reflection;

/// <summary>The answers of server reflection, which both versions of the protocol wrap in their own messages.</summary>
internal sealed class ReflectionAnswers(IEnumerable<string> services, SymbolRegistry symbols)
{
    internal const int NotFound = (int)StatusCode.NotFound;

    /// <summary>Full names of the services, in order.</summary>
    internal IReadOnlyList<string> Services { get; } = [.. services.Order(StringComparer.Ordinal)];

    internal static ReflectionAnswers FromServices(IEnumerable<ServiceDescriptor> descriptors)
    {
        var known = descriptors.ToList();
        return new ReflectionAnswers(known.Select(service => service.FullName), SymbolRegistry.FromFiles(known.Select(service => service.File)));
    }

    internal IReadOnlyList<ByteString>? FileByName(string name) => WithImports(symbols.FileByName(name));

    internal IReadOnlyList<ByteString>? FileContainingSymbol(string symbol) => WithImports(symbols.FileContainingSymbol(symbol));

    internal IReadOnlyList<ByteString>? FileContainingExtension(string message, int number) => WithImports(symbols.FileContainingExtension(message, number));

    internal IReadOnlyList<int>? ExtensionNumbers(string message) => symbols.TryGetExtensionNumbers(message, out var numbers) ? numbers : null;

    /// <summary>A file and all that it imports, itself first; null for no file.</summary>
    private static List<ByteString>? WithImports(FileDescriptor? file)
    {
        if (file is null)
            return null;

        var seen = new HashSet<string>(StringComparer.Ordinal);
        var files = new List<ByteString>();
        var open = new Queue<FileDescriptor>([file]);
        while (open.TryDequeue(out var next))
        {
            if (!seen.Add(next.Name))
                continue;

            files.Add(next.SerializedData);
            foreach (var dependency in next.Dependencies)
                open.Enqueue(dependency);
        }

        return files;
    }
}
