using System.Collections;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace Mesh.Hosting.Configuration;

/// <summary>Walks configuration beside the types it is bound to, and gathers every fault instead of stopping at the first.</summary>
internal sealed class ConfigurationCheck
{
    private readonly List<string> _faults = [];

    public IReadOnlyList<string> Faults => _faults;

    public static IEnumerable<PropertyInfo> PropertiesOf(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(x => x.SetMethod is { IsPublic: true } && x.GetIndexParameters().Length == 0);

    /// <summary>A key that nothing reads; the nearest known one is named.</summary>
    public void Unknown(IConfigurationSection section, IReadOnlyCollection<string> known)
    {
        var nearest = known.MinBy(x => Distance(x, section.Key));
        var hint = nearest is not null && Distance(nearest, section.Key) <= 2 ? $"did you mean {nearest}?" : $"known are {string.Join(", ", known.Order(StringComparer.Ordinal))}";
        _faults.Add($"{section.Path}: unknown key; {hint}");
    }

    /// <summary>Whether a section can be bound to a type.</summary>
    public void Value(IConfigurationSection section, Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (ElementOf(type) is { } element) Elements(section, type, element);
        else if (IsScalar(type)) Scalar(section, type);
        else if (section.Value is { Length: > 0 } text) _faults.Add($"{section.Path}: is a section, not the value '{text}'");
        else
        {
            var properties = PropertiesOf(type).ToDictionary(x => x.Name, StringComparer.OrdinalIgnoreCase);
            foreach (var child in section.GetChildren())
            {
                if (properties.TryGetValue(child.Key, out var property)) Value(child, property.PropertyType);
                else Unknown(child, properties.Keys);
            }
        }
    }

    /// <summary>Whether options keep to the annotations on them and in what they hold.</summary>
    public void Valid(object options, string path)
    {
        List<ValidationResult> results = [];
        Validator.TryValidateObject(options, new ValidationContext(options), results, validateAllProperties: true);
        foreach (var result in results)
        {
            var members = result.MemberNames.Select(x => $"{path}:{x}").DefaultIfEmpty(path);
            _faults.Add($"{string.Join(", ", members)}: {result.ErrorMessage}");
        }
        foreach (var property in PropertiesOf(options.GetType()).Where(x => !IsScalar(Nullable.GetUnderlyingType(x.PropertyType) ?? x.PropertyType)))
        {
            if (property.GetValue(options) is { } value) ValidPart(value, $"{path}:{property.Name}");
        }
    }

    private void ValidPart(object value, string path)
    {
        if (value is IDictionary entries)
        {
            foreach (DictionaryEntry entry in entries) ValidElement(entry.Value, $"{path}:{entry.Key}");
        }
        else if (value is IEnumerable items)
        {
            foreach (var (i, item) in items.Cast<object?>().Index()) ValidElement(item, string.Create(CultureInfo.InvariantCulture, $"{path}:{i}"));
        }
        else Valid(value, path);
    }

    private void ValidElement(object? value, string path)
    {
        if (value is not null && !IsScalar(value.GetType())) ValidPart(value, path);
    }

    private void Elements(IConfigurationSection section, Type type, Type element)
    {
        if (section.Value is { Length: > 0 } text) _faults.Add($"{section.Path}: holds several values, not '{text}' alone");
        var named = type.GetInterfaces().Append(type).Any(x => x.IsGenericType && x.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))
            || type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IDictionary<,>);
        foreach (var child in section.GetChildren())
        {
            if (!named && !int.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _)) _faults.Add($"{child.Path}: is an element of a list; write its number from 0, or a JSON array");
            else Value(child, element);
        }
    }

    private void Scalar(IConfigurationSection section, Type type)
    {
        if (section.GetChildren().Any()) _faults.Add($"{section.Path}: is one value, not a section");
        if (section.Value is not { } text || type == typeof(string)) return;
        try
        {
            TypeDescriptor.GetConverter(type).ConvertFromInvariantString(text);
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException or NotSupportedException)
        {
            _faults.Add($"{section.Path}: '{text}' is no {Describe(type)}");
        }
    }

    private static string Describe(Type type) => type switch
    {
        _ when type == typeof(bool) => "truth value; write true or false",
        _ when type == typeof(TimeSpan) => "duration; write hh:mm:ss, such as 00:00:30",
        _ when type.IsEnum => $"choice; write one of {string.Join(", ", Enum.GetNames(type))}",
        _ when type == typeof(double) || type == typeof(float) || type == typeof(decimal) => "number",
        _ when type.IsPrimitive => "whole number in range",
        _ => type.Name,
    };

    private static bool IsScalar(Type type) => type == typeof(object) || TypeDescriptor.GetConverter(type).CanConvertFrom(typeof(string));

    /// <summary>What a list or a dictionary holds; null for other types.</summary>
    private static Type? ElementOf(Type type)
    {
        if (type == typeof(string)) return null;
        if (type.IsArray) return type.GetElementType();
        var generic = type.GetInterfaces().Append(type).FirstOrDefault(x => x.IsGenericType && x.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0];
        return generic is { IsGenericType: true } && generic.GetGenericTypeDefinition() == typeof(KeyValuePair<,>) ? generic.GetGenericArguments()[1] : generic;
    }

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]) ? 0 : 1);
                (diagonal, row[j]) = (row[j], Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1));
            }
        }
        return row[^1];
    }
}
