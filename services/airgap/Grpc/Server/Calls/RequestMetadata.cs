using System.Collections.Frozen;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>HTTP headers as metadata and metadata as headers.</summary>
internal static class RequestMetadata
{
    private static readonly FrozenSet<string> ProtocolHeaders = new[]
    {
        "grpc-encoding", "grpc-accept-encoding", "grpc-timeout", "content-type", "content-encoding", "accept-encoding", "te", "host",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <exception cref="FormatException">A binary header is not base64.</exception>
    internal static Metadata Read(IHeaderDictionary headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers)
        {
            if (name.Length == 0 || name[0] == ':' || ProtocolHeaders.Contains(name))
                continue;

            if (name.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase))
                AddBinary(metadata, name, values);
            else
                metadata.Add(name, values.ToString());
        }

        return metadata;
    }

    internal static void Append(IHeaderDictionary destination, Metadata.Entry entry)
    {
        // Not the extension method of this name: it takes an empty value for none, and drops it.
        var value = entry.IsBinary ? Convert.ToBase64String(entry.RawBytes) : entry.Value;
        destination[entry.Key] = StringValues.Concat(destination[entry.Key], value);
    }

    /// <summary>Whether a grpc-accept-encoding names an encoding.</summary>
    internal static bool Accepts(StringValues accepted, string encoding)
    {
        if (encoding == GrpcProtocol.IdentityEncoding)
            return true;

        foreach (var value in accepted)
        {
            var names = value.AsSpan();
            foreach (var range in names.Split(','))
            {
                if (names[range].Trim(' ').SequenceEqual(encoding))
                    return true;
            }
        }

        return false;
    }

    private static void AddBinary(Metadata metadata, string name, StringValues values)
    {
        foreach (var value in values)
        {
            // Values under one name may come joined by commas, which base64 has none of.
            foreach (var part in (value ?? "").Split(',', StringSplitOptions.TrimEntries))
                metadata.Add(name, Convert.FromBase64String(part.PadRight((part.Length + 3) / 4 * 4, '=')));
        }
    }
}
