using System.Text.Json;
using System.Text.RegularExpressions;

namespace Mesh.Models.Lora;

/// <summary>The ranks and alphas that PEFT writes into a file's header: one for most layers of a component, patterns for the others.</summary>
internal sealed class PeftSettings
{
    private static readonly TimeSpan PatternLimit = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, Component> _components = new(StringComparer.Ordinal);

    /// <summary>What the settings say of one layer.</summary>
    public readonly record struct Setting(int? Rank, double? Alpha, bool RankStabilised);

    /// <summary>Reads the JSON text.</summary>
    /// <exception cref="LoraFormatException">It is malformed, or asks for DoRA.</exception>
    public static PeftSettings Parse(string text)
    {
        var settings = new PeftSettings();
        try
        {
            using var document = JsonDocument.Parse(text);
            foreach (var component in new[] { "unet", "text_encoder", "text_encoder_2" })
            {
                var read = Component.Read(document.RootElement, component + ".");
                if (read is not null)
                    settings._components[component] = read;
            }
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException or RegexParseException)
        {
            throw new LoraFormatException($"{LoraFile.AdapterMetadata}: {fault.Message}", fault);
        }

        return settings;
    }

    /// <summary>What they say of a layer; null for a component that they do not mention.</summary>
    public Setting? Find(string component, string path) =>
        _components.TryGetValue(component, out var c) ? new Setting((int?)c.Rank(path), c.Alpha(path), c.RankStabilised) : null;

    private sealed class Component
    {
        private readonly double? _rank;
        private readonly double? _alpha;
        private readonly (Regex Pattern, double Value)[] _ranks;
        private readonly (Regex Pattern, double Value)[] _alphas;

        private Component(double? rank, double? alpha, (Regex, double)[] ranks, (Regex, double)[] alphas, bool stabilised) =>
            (_rank, _alpha, _ranks, _alphas, RankStabilised) = (rank, alpha, ranks, alphas, stabilised);

        public bool RankStabilised { get; }

        public static Component? Read(JsonElement root, string prefix)
        {
            if (!root.EnumerateObject().Any(p => p.Name.StartsWith(prefix, StringComparison.Ordinal)))
                return null;
            if (Flag(root, prefix + "use_dora"))
                throw new LoraFormatException($"{LoraFile.AdapterMetadata}: DoRA is not applied here");
            return new Component(
                Number(root, prefix + "r"), Number(root, prefix + "lora_alpha"),
                Patterns(root, prefix + "rank_pattern"), Patterns(root, prefix + "alpha_pattern"), Flag(root, prefix + "use_rslora"));
        }

        public double? Rank(string path) => First(_ranks, path) ?? _rank;

        public double? Alpha(string path) => First(_alphas, path) ?? _alpha;

        private static double? First((Regex Pattern, double Value)[] patterns, string path)
        {
            foreach (var (pattern, value) in patterns)
            {
                if (pattern.IsMatch(path))
                    return value;
            }

            return null;
        }

        private static double? Number(JsonElement root, string key) =>
            root.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

        private static bool Flag(JsonElement root, string key) => root.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.True;

        // A key is a regular expression that has to match the end of the path, after a dot or from the start.
        private static (Regex, double)[] Patterns(JsonElement root, string key) =>
            root.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Object
                ? [.. value.EnumerateObject().Select(p =>
                    (new Regex($@"^(?:.*\.)?(?:{p.Name})$", RegexOptions.CultureInvariant, PatternLimit), p.Value.GetDouble()))]
                : [];
    }
}
