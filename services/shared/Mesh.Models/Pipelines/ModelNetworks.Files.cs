using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Text;
using Mesh.Models.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Pipelines;

/// <summary>What a part of a model is made of.</summary>
/// <param name="Version">SHA-256 over its configurations' and weight files' hashes, lower-case hex.</param>
/// <param name="Parameters">How many numbers its networks hold.</param>
public sealed record ModelFingerprint(string Version, long Parameters);

/// <summary>What can be said of a model without loading it.</summary>
public sealed partial class ModelNetworks
{
    /// <summary>Pixels a side of a model that does not say what it was made for.</summary>
    public const int FallbackSide = 512;

    /// <summary>Everything whose change makes this another model: the folder, and the files that lie elsewhere.</summary>
    public IEnumerable<string> Paths =>
        [Folder.FolderPath, .. _model.UNetFile is { } unet ? [unet] : Array.Empty<string>(), .. (_model.Loras ?? []).Select(l => l.Path)];

    /// <summary>What SDXL's folder says of an absent negative text: whether it is zeros rather than the encoding of the empty text.</summary>
    public bool ZerosForAbsentNegative => TextEncoders.Count == 2 && Folder.Option("force_zeros_for_empty_prompt", absent: true);

    /// <summary>SHA-256 of what decides the ids of every tokenizer, lower-case hex.</summary>
    public string TokenizerHash()
    {
        var lines = TextEncoders.Select(name => ClipTokenizerFiles.Read(TokenizerOf(name).Folder).Hash);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', lines))));
    }

    /// <summary>Ids in a row of the first tokenizer.</summary>
    public int Positions()
    {
        var name = TextEncoders.Count > 0 ? TextEncoders[0] : Folder.Require("text_encoder").Name;
        var config = TextConfig(name, Folder.Require(name).RequireConfig());
        return ClipTokenizer.Load(TokenizerOf(name).Folder, new ClipTokenizerOptions(config.MaxPositions)).MaxLength;
    }

    /// <summary>Pixels a side that the model was made for, by the U-Net's configuration; 512 where it does not say.</summary>
    public int NativeSide() => UNetConfig.FromJson(Folder.Require("unet").RequireConfig()).SampleSize is { } size ? size * Factor() : FallbackSide;

    /// <summary>Hashes what some components are made of, with what replaces or changes them.</summary>
    /// <param name="hashes">Hashes of files that are known already.</param>
    /// <param name="components">Names such as unet; all must be there.</param>
    /// <param name="more">What else decides what they compute, such as the recipe.</param>
    /// <exception cref="WeightFileException">A component is missing or malformed.</exception>
    public ModelFingerprint Fingerprint(FileHashes hashes, IReadOnlyList<string> components, string more = "")
    {
        var lines = new StringBuilder();
        var parameters = 0L;
        foreach (var name in components)
        {
            var component = Folder.Require(name);
            lines.Append(CultureInfo.InvariantCulture, $"{name} {component.Class} {hashes.Sha256(component.ConfigPath)}\n");
            if (!component.IsNetwork)
                continue;
            if (name == "unet" && _model.UNetFile is { } file)
            {
                lines.Append(CultureInfo.InvariantCulture, $"weights {hashes.Sha256(file)}\n");
                parameters += ParametersOf(SafetensorsFile.Open(file));
                continue;
            }

            foreach (var path in component.FindWeights().Paths())
                lines.Append(CultureInfo.InvariantCulture, $"weights {hashes.Sha256(path)}\n");
            parameters += ParametersOf(component.OpenWeights());
        }

        foreach (var lora in _model.Loras ?? [])
            lines.Append(CultureInfo.InvariantCulture, $"lora {hashes.Sha256(lora.Path)} {lora.Scale:R}\n");
        lines.Append(CultureInfo.InvariantCulture, $"and {more}\n");
        return new ModelFingerprint(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString()))), parameters);
    }

    /// <summary>Hashes what a network in a folder of its own is made of.</summary>
    /// <param name="folder">With config.json and weights.</param>
    /// <param name="hashes">Hashes of files that are known already.</param>
    public static ModelFingerprint Fingerprint(string folder, FileHashes hashes)
    {
        var component = ModelComponent.Open(folder);
        component.RequireConfig();
        var lines = new StringBuilder(hashes.Sha256(component.ConfigPath));
        foreach (var path in component.FindWeights().Paths())
            lines.Append('\n').Append(hashes.Sha256(path));
        return new ModelFingerprint(Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(lines.ToString()))), ParametersOf(component.OpenWeights()));
    }

    /// <summary>Reads a LoRA for networks of this model. The others are there by names and shapes alone, so that no key of the file goes unknown.</summary>
    /// <param name="path">The safetensors file.</param>
    /// <param name="loaded">Networks by component; may be none of them.</param>
    /// <exception cref="LoraFormatException">Another method than LoRA, or a layer that the model does not have.</exception>
    public LoraFile ReadLora(string path, IReadOnlyDictionary<string, Module> loaded)
    {
        using var file = SafetensorsFile.Open(path);
        var networks = new Dictionary<string, Module>(loaded, StringComparer.Ordinal);
        try
        {
            foreach (var other in TextEncoders.Append("unet").Where(n => !loaded.ContainsKey(n) && Folder.Components.ContainsKey(n)))
            {
                var config = Folder.Require(other).RequireConfig();
                networks[other] = other == "unet" ? new UNet(UNetConfig.FromJson(config), META) : new ClipTextEncoder(TextConfig(other, config), META);
            }

            return LoraFile.Read(file, networks, file.Metadata);
        }
        finally
        {
            foreach (var (other, empty) in networks)
            {
                if (!loaded.ContainsKey(other))
                    empty.Dispose();
            }
        }
    }

    private ModelComponent TokenizerOf(string encoder) => Folder.Require(encoder.Replace("text_encoder", "tokenizer", StringComparison.Ordinal));

    private static long ParametersOf(IWeightSource weights)
    {
        using (weights)
            return weights.Entries.Where(e => !WeightNames.IsIgnorable(e.Key)).Sum(e => e.Value.Count);
    }
}
