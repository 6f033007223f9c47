using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mesh.Models.Weights;
using Mesh.Training.Data;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>
/// Encoded pictures on disk, named by all that they follow from: the pictures and the autoencoder's files. A file counts only with its hash beside it,
/// so one that was cut off or spoilt is made anew.
/// </summary>
internal sealed class LatentCache(string folder)
{
    private const string Version = "scaled means 1";
    private const string Tensors = "latents";

    /// <summary>The cache of all runs below a root.</summary>
    public static LatentCache Below(string root) => new(Path.Combine(root, "cache", "latents"));

    /// <summary>The latents of a set under an autoencoder's folder, read where they are known, else encoded and kept.</summary>
    /// <exception cref="IOException">They cannot be written.</exception>
    public Tensor Get(PictureSet set, string autoencoder, Func<Tensor> encode)
    {
        var path = Path.Combine(folder, $"{KeyOf(set, autoencoder)}.safetensors");
        var mark = path + ".sha256";
        if (File.Exists(path) && File.Exists(mark) && File.ReadAllText(mark) == FileHash.Sha256(path))
        {
            using var file = SafetensorsFile.Open(path);
            return file.Read(Tensors, ScalarType.Float32);
        }

        var made = encode();
        Directory.CreateDirectory(folder);
        File.WriteAllText(mark, SafetensorsWriter.Write(path, new Dictionary<string, Tensor> { [Tensors] = made }));
        return made;
    }

    private static string KeyOf(PictureSet set, string autoencoder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Say(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
        Say(string.Create(CultureInfo.InvariantCulture, $"{Version}, {set.Count} of {set.Side}"));
        foreach (var file in Directory.EnumerateFiles(autoencoder).Order(StringComparer.Ordinal))
            Say($"{Path.GetFileName(file)} {FileHash.Sha256(file)}");
        for (var i = 0; i < set.Count; i++)
            hash.AppendData(set.Pixels(i).Span);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
