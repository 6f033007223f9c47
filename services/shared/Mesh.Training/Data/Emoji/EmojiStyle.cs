namespace Mesh.Training.Data.Emoji;

/// <summary>A set of drawings of one hand.</summary>
/// <param name="Key">What it is called in a picture's line.</param>
/// <param name="Word">What captions call it.</param>
/// <param name="Package">The npm package that holds it.</param>
/// <param name="Licence">The licence that the package must state.</param>
/// <param name="Credit">Whose it is.</param>
public sealed record EmojiStyle(string Key, string Word, string Package, string Licence, string Credit)
{
    /// <summary>Licences of art that may be used.</summary>
    public static IReadOnlyList<string> OpenLicences { get; } = ["MIT", "Apache-2.0", "CC-BY-4.0"];

    /// <summary>All styles.</summary>
    public static IReadOnlyList<EmojiStyle> All { get; } =
    [
        new("fluent3d", "3d", "@lobehub/fluent-emoji-3d", "MIT", "Fluent Emoji, Copyright (c) Microsoft Corporation"),
        new("fluentflat", "flat", "@iconify-json/fluent-emoji-flat", "MIT", "Fluent Emoji, Copyright (c) Microsoft Corporation"),
        new("noto", "noto", "@iconify-json/noto", "Apache-2.0", "Noto Emoji, Copyright Google LLC"),
        new("blob", "blob", "@iconify-json/noto-v1", "Apache-2.0", "Noto Emoji (version 1), Copyright Google LLC"),
        new("twemoji", "twemoji", "@iconify-json/twemoji", "CC-BY-4.0", "Twemoji, Copyright Twitter, Inc and other contributors"),
        new("emojitwo", "emojitwo", "@iconify-json/emojione", "CC-BY-4.0", "EmojiTwo, from Emojione 2.2 by Ranks.com"),
    ];
}
