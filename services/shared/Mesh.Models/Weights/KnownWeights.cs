namespace Mesh.Models.Weights;

/// <summary>A published weight file, known by the hash of its content.</summary>
/// <param name="Checkpoint">Whose it is, such as <c>SDXL-Turbo</c>.</param>
/// <param name="Part">Which of its components: unet, text_encoder, text_encoder_2, vae, lora, controlnet.</param>
/// <param name="Precision">fp32 or fp16.</param>
/// <param name="Sha256">64 lower-case hex digits.</param>
/// <param name="Bytes">Size of the file.</param>
public sealed record KnownFile(string Checkpoint, string Part, string Precision, string Sha256, long Bytes);

/// <summary>The published weight files that can be told by size and SHA-256, never by name.</summary>
public static class KnownWeights
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<KnownFile> Files { get; } =
    [
        new("SD1.5", "unet", "fp32", "19da7aaa4b880e59d56843f1fcb4dd9b599c28a1d9d9af7c1143057c8ffae9f1", 3438167540),
        new("SD1.5", "unet", "fp16", "c83908253f9a64d08c25fc90874c9c8aef9a329ce1ca5fb909d73b0c83d1ea21", 1719125304),
        new("SD1.5", "text_encoder", "fp32", "d008943c017f0092921106440254dbbe00b6a285f7883ec8ba160c3faad88334", 492265874),
        new("SD1.5", "text_encoder", "fp16", "77795e2023adcf39bc29a884661950380bd093cf0750a966d473d1718dc9ef4e", 246144864),
        new("SD1.5", "vae", "fp32", "a2b5134f4dbc140d9c11f11cba3233099e00af40f262f136c691fb7d38d2194c", 334643276),
        new("SD1.5", "vae", "fp16", "4fbcf0ebe55a0984f5a5e00d8c4521d52359af7229bb4d81890039d2aa16dd7c", 167335342),
        new("SD2.1-base", "unet", "fp32", "6dfae3e5f7d459b50f4b0850ead945972c75bb0e1897628933e169eb43974214", 3463726498),
        new("SD2.1-base", "text_encoder", "fp32", "cce6febb0b6d876ee5eb24af35e27e764eb4f9b1d0b7c026c8c3333d4cfc916c", 1361597018),
        new("SD2.1-base", "vae", "fp32", "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815", 334643276),
        new("SDXL", "unet", "fp16", "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139", 5135149760),
        new("SDXL", "text_encoder", "fp16", "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd", 246144152),
        new("SDXL", "text_encoder_2", "fp16", "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4", 1389382176),
        new("SDXL", "vae", "fp16", "bcb60880a46b63dea58e9bc591abe15f8350bde47b405f9c38f4be70c6161e68", 167335342),
        new("SDXL-Turbo", "unet", "fp16", "48fa46161a745f48d4054df3fe13804ee255486bca893403b60373c188fd1bdb", 5135149760),
        new("SDXL-Lightning 1-step", "unet", "fp16", "14d53ad5b440a37fc0f429d595d96bf144c5dd842aa5747383e6098c9dbfa644", 5135149736),
        new("SDXL-Lightning 4-step", "lora", "fp16", "bf56cf2657efb15e465d81402ed481d1e11c4677e4bcce1bc11fe71ad8506b79", 393854592),
        new("LCM-LoRA SDXL", "lora", "fp16", "c3dbf7eb26dd00ae6b6b95da69be9f1cb95a3b2c5bcf9be82323227a19b91329", 393854624),
        new("ControlNet canny SD1.5", "controlnet", "fp32", "e19821a00e6d1817b37286a21d5c4f8915076949b0e81846c4f92c96ffb46db7", 1445157124),
    ];

    /// <summary>The published file with that content, or null. Only a file whose size is one of the list's is read and hashed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="hashes">Hashes of files that are known already; null: none.</param>
    public static KnownFile? Recognise(string path, FileHashes? hashes = null)
    {
        var file = new FileInfo(path);
        if (!file.Exists || Files.All(k => k.Bytes != file.Length))
            return null;
        string hash = (hashes ?? new FileHashes()).Sha256(path);
        return Files.FirstOrDefault(k => k.Sha256 == hash);
    }

    /// <summary>The published file with that hash, or null.</summary>
    public static KnownFile? Find(string sha256) => Files.FirstOrDefault(k => string.Equals(k.Sha256, sha256, StringComparison.OrdinalIgnoreCase));
}
