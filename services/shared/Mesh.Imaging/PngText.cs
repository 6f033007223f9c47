namespace Mesh.Imaging;

/// <summary>A note in a PNG file.</summary>
/// <param name="Keyword">1 to 79 characters of printable Latin-1 without leading, trailing or double spaces, such as <c>parameters</c>.</param>
/// <param name="Text">Any text without U+0000.</param>
public sealed record PngText(string Keyword, string Text);
