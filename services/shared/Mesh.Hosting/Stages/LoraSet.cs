using System.Globalization;
using Mesh.Contracts.Common.V1;
using Mesh.Hosting.Faults;

namespace Mesh.Hosting.Stages;

/// <summary>A LoRA of a request.</summary>
/// <param name="Name">What it is configured under.</param>
/// <param name="Weight">How strongly it acts; not 0.</param>
public readonly record struct LoraChoice(string Name, float Weight);

/// <summary>The LoRAs of a request in the order of their names, so that equal sets are equal and sum up alike.</summary>
public sealed class LoraSet : IEquatable<LoraSet>
{
    private const float MostWeight = 4;
    private readonly string _key;

    private LoraSet(IReadOnlyList<LoraChoice> choices)
    {
        Choices = choices;
        _key = string.Join(';', choices.Select(x => string.Create(CultureInfo.InvariantCulture, $"{x.Name}={x.Weight:R}")));
    }

    /// <summary>No LoRA.</summary>
    public static LoraSet None { get; } = new([]);

    /// <summary>In ordinal order of names; those of weight 0 left out.</summary>
    public IReadOnlyList<LoraChoice> Choices { get; }

    /// <summary>Checks what a request names.</summary>
    /// <param name="loras">As the request has them.</param>
    /// <param name="catalogue">What is configured.</param>
    /// <param name="model">The model that they are to change.</param>
    /// <exception cref="MeshException">INVALID_ARGUMENT naming the field, or NOT_FOUND.</exception>
    public static LoraSet Read(IReadOnlyList<Lora> loras, CatalogueOptions catalogue, string model)
    {
        ArgumentNullException.ThrowIfNull(loras);
        ArgumentNullException.ThrowIfNull(catalogue);
        if (loras.Count == 0) return None;
        var choices = new SortedDictionary<string, float>(StringComparer.Ordinal);
        for (var i = 0; i < loras.Count; i++)
        {
            var (name, weight) = (loras[i].Name, loras[i].Weight);
            if (name.Length == 0) throw Wrong(i, "name", "is required");
            if (!float.IsFinite(weight) || Math.Abs(weight) > MostWeight) throw Wrong(i, "weight", $"must be from -{MostWeight} to {MostWeight}");
            if (!choices.TryAdd(name, weight)) throw Wrong(i, "name", $"'{name}' stands there twice");
            if (!catalogue.LorasOf(model).Any(x => x.Key == name)) throw Unknown(catalogue, model, name);
        }
        return new([.. choices.Where(x => x.Value != 0).Select(x => new LoraChoice(x.Key, x.Value))]);
    }

    /// <inheritdoc/>
    public bool Equals(LoraSet? other) => other is not null && _key == other._key;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LoraSet);

    /// <inheritdoc/>
    public override int GetHashCode() => _key.GetHashCode(StringComparison.Ordinal);

    /// <summary>For logs: <c>name=weight;…</c>.</summary>
    public override string ToString() => _key;

    private static MeshException Unknown(CatalogueOptions catalogue, string model, string name)
    {
        string[] known = [.. catalogue.LorasOf(model).Select(x => x.Key)];
        return MeshException.NotFound("lora", name, known.Length == 0
            ? $"There is no LoRA '{name}'; none is configured for the model '{model}'."
            : $"There is no LoRA '{name}' for the model '{model}'; there are {string.Join(", ", known)}.");
    }

    private static MeshException Wrong(int index, string field, string why) =>
        MeshException.InvalidArgument(string.Create(CultureInfo.InvariantCulture, $"loras[{index}].{field}"), why);
}
