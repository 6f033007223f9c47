using System.Text;
using Grpc.Core.Utils;

namespace Grpc.Core;

/// <summary>What is known of the peer's identity.</summary>
public class AuthContext
{
    private readonly Dictionary<string, List<AuthProperty>> _properties;

    /// <param name="peerIdentityPropertyName">Name of the property that holds the identity; null: the peer is not authenticated.</param>
    public AuthContext(string? peerIdentityPropertyName, Dictionary<string, List<AuthProperty>> properties)
    {
        PeerIdentityPropertyName = peerIdentityPropertyName;
        _properties = GrpcPreconditions.CheckNotNull(properties);
    }

    public bool IsPeerAuthenticated => PeerIdentityPropertyName is not null;

    public string? PeerIdentityPropertyName { get; }

    public IEnumerable<AuthProperty> PeerIdentity => PeerIdentityPropertyName is null ? [] : FindPropertiesByName(PeerIdentityPropertyName);

    public IEnumerable<AuthProperty> Properties => _properties.Values.SelectMany(found => found);

    public IEnumerable<AuthProperty> FindPropertiesByName(string propertyName) =>
        _properties.TryGetValue(propertyName, out var found) ? found : [];
}

public class AuthProperty
{
    private readonly byte[] _valueBytes;
    private string? _value;

    private AuthProperty(string name, byte[] valueBytes)
    {
        Name = GrpcPreconditions.CheckNotNull(name);
        _valueBytes = GrpcPreconditions.CheckNotNull(valueBytes);
    }

    public string Name { get; }

    public string Value => _value ??= Encoding.UTF8.GetString(_valueBytes);

    public byte[] ValueBytes => _valueBytes.AsSpan().ToArray();

    public static AuthProperty Create(string name, byte[] valueBytes) => new(name, valueBytes.AsSpan().ToArray());
}
