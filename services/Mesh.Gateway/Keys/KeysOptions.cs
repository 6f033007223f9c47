using System.ComponentModel.DataAnnotations;

namespace Mesh.Gateway.Keys;

/// <summary>Who may call the gateway; stands directly under <c>Mesh</c>.</summary>
public sealed class KeysOptions : IValidatableObject
{
    /// <summary>Empty: everyone may call.</summary>
    public IReadOnlyList<ApiKeyOptions> Keys { get; set; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var same in Keys.GroupBy(x => x.Name, StringComparer.Ordinal).Where(x => x.Count() > 1))
            yield return new ValidationResult($"two keys are named '{same.Key}'", [nameof(Keys)]);
        foreach (var same in Keys.GroupBy(x => x.Sha256, StringComparer.OrdinalIgnoreCase).Where(x => x.Count() > 1))
            yield return new ValidationResult($"{string.Join(" and ", same.Select(x => $"'{x.Name}'"))} are the same key", [nameof(Keys)]);
    }
}
