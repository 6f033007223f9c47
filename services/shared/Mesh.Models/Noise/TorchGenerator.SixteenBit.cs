namespace Mesh.Models.Noise;

/// <content>Draws in 16-bit types. Images never use them: noise is drawn in float32 and cast, which every release of PyTorch gives alike.</content>
public sealed partial class TorchGenerator
{
    /// <summary>Uniforms in [0, 1), as <c>torch.rand</c> in a 16-bit type.</summary>
    public void Uniforms(Span<float> into, SixteenBit type)
    {
        for (var i = 0; i < into.Length; i++)
            into[i] = _draws == TorchDraws.Older ? CoarseUniform(type) : Wrap(type.Round(Uniform24()));

        // The range is half open, so what rounds up to 1 becomes 0.
        static float Wrap(float value) => value == 1 ? 0 : value;
    }

    /// <summary>Standard normals, as <c>torch.randn</c> in a 16-bit type.</summary>
    public void Normals(Span<float> into, SixteenBit type)
    {
        if (into.Length < Block)
        {
            for (var i = 0; i < into.Length; i++)
                into[i] = type.Round((float)SingleNormal());
        }
        else if (_draws == TorchDraws.Older)
        {
            OlderNormals(into, type);
        }
        else
        {
            for (var i = 0; i + Block <= into.Length; i += Block)
                FreshBlock(into.Slice(i, Block), type);
            if (into.Length % Block != 0)
                FreshBlock(into[^Block..], type);
        }
    }

    private void FreshBlock(Span<float> block, SixteenBit type)
    {
        Uniforms(block);
        Transform(block);
        foreach (ref var value in block)
            value = type.Round(value);
    }

    private float CoarseUniform(SixteenBit type)
    {
        var bits = type == SixteenBit.Float16 ? 11 : 8;
        return (_engine.Next() & ((1u << bits) - 1)) / (float)(1 << bits);
    }

    private void OlderNormals(Span<float> into, SixteenBit type)
    {
        Uniforms(into, type);
        for (var i = 0; i + Block <= into.Length; i += Block)
            OlderTransform(into.Slice(i, Block), type);
        if (into.Length % Block == 0)
            return;
        var last = into[^Block..];
        Uniforms(last, type);
        OlderTransform(last, type);
    }

    private static void OlderTransform(Span<float> block, SixteenBit type)
    {
        for (var j = 0; j < HalfBlock; j++)
        {
            var radius = type.Round(MathF.Sqrt(Every(-2 * Every(MathF.Log(type.Round(1 - block[j]))))));
            var theta = type.Round((float)(2 * Math.PI * block[j + HalfBlock]));
            block[j] = type.Round(radius * Every(MathF.Cos(theta)));
            block[j + HalfBlock] = type.Round(radius * Every(MathF.Sin(theta)));
        }

        // bfloat16 was rounded after every operation, float16 only where a value was stored.
        float Every(float value) => type == SixteenBit.BFloat16 ? type.Round(value) : value;
    }
}
