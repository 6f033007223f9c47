namespace Mesh.Gateway.Stages;

/// <summary>What the stages are called, in the order in which a request meets them.</summary>
internal static class StageNames
{
    public const string Text = "text";
    public const string Generator = "generator";
    public const string Decoder = "decoder";
    public const string Upsampler = "upsampler";
}
