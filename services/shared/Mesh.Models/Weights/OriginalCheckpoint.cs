namespace Mesh.Models.Weights;

/// <summary>
/// A checkpoint in the single-file form of the original latent-diffusion code (SD1.x, SD2.x, SDXL): U-Net, autoencoder and text encoders in one
/// safetensors file under that code's names. Each part is a weight source under the names of a diffusers folder.
/// </summary>
public sealed class OriginalCheckpoint : IDisposable
{
    private static readonly (string Prefix, string Part)[] Parts =
    [
        ("model.diffusion_model.", "unet"),
        ("first_stage_model.", "vae"),
        ("cond_stage_model.transformer.", "text_encoder"),
        ("cond_stage_model.model.", "text_encoder"),
        ("conditioner.embedders.0.transformer.", "text_encoder"),
        ("conditioner.embedders.1.model.", "text_encoder_2"),
    ];

    /// <summary>What training leaves in such files: schedules that follow from the configuration, the discriminator, averages.</summary>
    private static readonly string[] Leftovers =
    [
        "model_ema.", "first_stage_model.loss.", "betas", "alphas_cumprod", "sqrt_", "log_one_minus_alphas_cumprod", "posterior_", "lvlb_weights", "logvar",
        "denoiser.sigmas", "scale_factor",
    ];

    private readonly IWeightSource _file;
    private readonly Dictionary<string, RenamedWeights> _parts = new(StringComparer.Ordinal);

    private OriginalCheckpoint(IWeightSource file) => _file = file;

    /// <summary>The parts that the file holds: unet, vae, text_encoder, text_encoder_2.</summary>
    public IReadOnlyDictionary<string, IWeightSource> Components => _parts.ToDictionary(p => p.Key, p => (IWeightSource)p.Value, StringComparer.Ordinal);

    /// <summary>Whether the names are of this form.</summary>
    public static bool IsOriginal(IWeightSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source.Entries.Keys.Any(n => Parts.Any(p => n.StartsWith(p.Prefix, StringComparison.Ordinal)));
    }

    /// <summary>Opens a file.</summary>
    /// <exception cref="WeightFileException">The file is not valid, or holds a name that the form does not have.</exception>
    public static OriginalCheckpoint Open(string path)
    {
        var file = SafetensorsFile.Open(path);
        try
        {
            return From(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a source of such names.</summary>
    /// <exception cref="WeightFileException">It holds a name that the form does not have.</exception>
    public static OriginalCheckpoint From(IWeightSource file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var names = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (string name in file.Entries.Keys.Where(n => !Leftovers.Any(l => n.StartsWith(l, StringComparison.Ordinal))))
        {
            string? prefix = Parts.Select(p => p.Prefix).FirstOrDefault(p => name.StartsWith(p, StringComparison.Ordinal));
            if (prefix is null)
                throw new WeightFileException($"{file.Origin}: {WeightFileException.Quote(name)} belongs to no part of an original checkpoint");
            if (!names.TryGetValue(prefix, out var list))
                names.Add(prefix, list = []);
            list.Add(name[prefix.Length..]);
        }
        var checkpoint = new OriginalCheckpoint(file);
        foreach (var (prefix, list) in names)
            checkpoint.Add(prefix, list);
        return checkpoint;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void Add(string prefix, List<string> names)
    {
        string part = Parts.First(p => p.Prefix == prefix).Part;
        string origin = $"{_file.Origin} ({part})";
        if (_parts.ContainsKey(part))
            throw new WeightFileException($"{_file.Origin} holds two kinds of {part}");
        var mapped = new Dictionary<string, (string Name, WeightChange Change)>(StringComparer.Ordinal);
        var map = Mapping(prefix, names);
        foreach (string name in names)
        {
            var targets = map(name) ?? throw new WeightFileException($"{origin}: {WeightFileException.Quote(prefix + name)} is not a name of the original form");
            foreach (var (target, change) in targets)
            {
                if (!mapped.TryAdd(target, (prefix + name, change)))
                    throw new WeightFileException($"{origin}: {WeightFileException.Quote(target)} is there under two names");
            }
        }
        _parts.Add(part, new RenamedWeights(_file, origin, mapped));
    }

    private static Func<string, IEnumerable<(string Name, WeightChange Change)>?> Mapping(string prefix, List<string> names) => prefix switch
    {
        "model.diffusion_model." => Single(OriginalNames.UNet(names)),
        "first_stage_model." => OriginalNames.Autoencoder(names),
        "cond_stage_model.model." => OriginalNames.OpenClip(names, penultimate: true),
        "conditioner.embedders.1.model." => OriginalNames.OpenClip(names, penultimate: false),
        _ => n => [(n, WeightChange.None)],
    };

    private static Func<string, IEnumerable<(string Name, WeightChange Change)>?> Single(Func<string, string?> rename) =>
        n => rename(n) is { } name ? [(name, WeightChange.None)] : null;
}
