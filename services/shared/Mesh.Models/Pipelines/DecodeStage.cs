using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>Latents to pixels, one picture at a time, so that a picture's bytes never depend on what is decoded together with it.</summary>
public sealed class DecodeStage : IDisposable
{
    private readonly AutoencoderKL? _full;
    private readonly AutoencoderTiny? _tiny;
    private readonly Device _device;

    /// <summary>A stage with the full decoder, which belongs to it.</summary>
    public DecodeStage(AutoencoderKL network)
    {
        _full = network;
        _device = network.parameters().First().device;
        network.eval();
    }

    /// <summary>A stage with the tiny decoder for previews, which belongs to it.</summary>
    public DecodeStage(AutoencoderTiny network)
    {
        _tiny = network;
        _device = network.parameters().First().device;
        network.eval();
    }

    /// <summary>Pixels a latent's side.</summary>
    public int Factor => _full?.Config.Factor ?? _tiny!.Config.Factor;

    /// <summary>Channels of a latent.</summary>
    public int LatentChannels => _full?.Config.LatentChannels ?? _tiny!.Config.LatentChannels;

    /// <summary>The pictures of latents as the U-Net leaves them. The caller disposes of the tensor.</summary>
    /// <param name="latents">[B, C, h, w].</param>
    /// <param name="tiled">Whether large pictures are decoded by overlapping tiles.</param>
    /// <returns>[B, 3, h·f, w·f] float32, about [−1, 1], not clamped.</returns>
    public Tensor Decode(Tensor latents, bool tiled = false)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var pictures = Enumerable.Range(0, (int)latents.shape[0]).Select(i => One(latents.narrow(0, i, 1).to(_device), tiled)).ToArray();
        return cat(pictures, 0).MoveToOuterDisposeScope();
    }

    /// <summary>Decoded pictures as bytes: round(255·clamp(x/2 + 1/2, 0, 1)), ties to even. The caller disposes of the tensor.</summary>
    /// <param name="decoded">[B, 3, H, W].</param>
    /// <returns>[B, H, W, 3] bytes on the CPU.</returns>
    public static Tensor ToPixels(Tensor decoded)
    {
        using var scope = NewDisposeScope();
        var pixels = decoded.div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1).mul(255).round();
        return pixels.to(ScalarType.Byte).cpu().contiguous().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _full?.Dispose();
        _tiny?.Dispose();
    }

    private Tensor One(Tensor latent, bool tiled)
    {
        using var scope = NewDisposeScope();
        Tensor picture;
        if (_full is not null)
        {
            var z = _full.Unscale(latent);
            picture = tiled ? _full.DecodeTiled(z) : _full.Decode(z);
        }
        else
        {
            var z = _tiny!.Config.ScalingFactor == 1 ? latent : latent.div(_tiny.Config.ScalingFactor);
            picture = tiled ? _tiny.DecodeTiled(z) : _tiny.Decode(z);
        }

        return picture.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
