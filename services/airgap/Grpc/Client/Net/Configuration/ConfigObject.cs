using System.Globalization;

namespace Grpc.Net.Client.Configuration;

/// <summary>A part of a service configuration: named values, durations as text such as <c>1.5s</c>, as in its JSON form.</summary>
public abstract class ConfigObject
{
    internal ConfigObject()
    {
    }

    public IDictionary<string, object> Inner { get; } = new Dictionary<string, object>(StringComparer.Ordinal);

    internal T? Get<T>(string key) => Inner.TryGetValue(key, out var value) ? (T)value : default;

    internal T GetOrAdd<T>(string key, Func<T> create)
        where T : notnull
    {
        if (Inner.TryGetValue(key, out var value)) return (T)value;
        var created = create();
        Inner[key] = created;
        return created;
    }

    internal void Set(string key, object? value)
    {
        if (value is null) Inner.Remove(key);
        else Inner[key] = value;
    }

    internal TimeSpan? GetDuration(string key) => Get<string>(key) is { } text
        ? TimeSpan.FromTicks((long)(decimal.Parse(text.AsSpan(0, text.Length - 1), NumberStyles.Float, CultureInfo.InvariantCulture) * TimeSpan.TicksPerSecond))
        : null;

    internal void SetDuration(string key, TimeSpan? value) =>
        Set(key, value is { } duration ? string.Create(CultureInfo.InvariantCulture, $"{(decimal)duration.Ticks / TimeSpan.TicksPerSecond}s") : null);
}
