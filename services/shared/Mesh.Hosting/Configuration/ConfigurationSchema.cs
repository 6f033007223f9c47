using Microsoft.Extensions.Configuration;

namespace Mesh.Hosting.Configuration;

/// <summary>The options that a process reads, and the check of a whole configuration against them.</summary>
internal sealed class ConfigurationSchema
{
    private readonly List<(string Section, Type Type)> _known = [];

    /// <param name="section">Under <c>Mesh</c>; empty: its keys stand there themselves.</param>
    /// <param name="type">What the section is bound to.</param>
    public void Add(string section, Type type)
    {
        if (!_known.Contains((section, type))) _known.Add((section, type));
    }

    public static string PathOf(string section) => section.Length == 0 ? MeshSections.Root : $"{MeshSections.Root}:{section}";

    /// <summary>Every fault of the configuration, in the order of its keys; none where all options can be bound and are valid.</summary>
    public IReadOnlyList<string> Check(IConfiguration configuration)
    {
        var check = new ConfigurationCheck();
        var root = configuration.GetSection(MeshSections.Root);
        var roots = _known.Where(x => x.Section.Length == 0).SelectMany(x => ConfigurationCheck.PropertiesOf(x.Type)).ToLookup(x => x.Name, StringComparer.OrdinalIgnoreCase);
        string[] names = [.. MeshSections.All.Union(_known.Select(x => x.Section)).Union(roots.Select(x => x.Key)).Where(x => x.Length > 0)];
        foreach (var child in root.GetChildren())
        {
            foreach (var property in roots[child.Key]) check.Value(child, property.PropertyType);
            if (!names.Contains(child.Key, StringComparer.OrdinalIgnoreCase)) check.Unknown(child, names);
        }
        foreach (var (section, type) in _known)
        {
            if (section.Length > 0) check.Value(root.GetSection(section), type);
        }
        if (check.Faults.Count > 0) return check.Faults;

        // Every value can be bound now; what remains is whether they make sense.
        foreach (var (section, type) in _known)
        {
            var path = PathOf(section);
            check.Valid(configuration.GetSection(path).Get(type) ?? Activator.CreateInstance(type)!, path);
        }
        return check.Faults;
    }
}
