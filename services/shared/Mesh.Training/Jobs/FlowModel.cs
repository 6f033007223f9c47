using Mesh.Models.Networks;
using Mesh.Models.Text;
using Mesh.Training.Data;
using Mesh.Training.Flow;
using Mesh.Training.Perception;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>A model folder's text encoder, U-Net and, where it is used, autoencoder: frozen, in float32.</summary>
internal sealed class FlowModel : IDisposable
{
    private readonly string _folder;
    private readonly ClipTokenizer _tokenizer;
    private readonly ClipTextEncoder _text;
    private readonly UNet _unet;
    private readonly Lazy<AutoencoderKL> _vae;

    public FlowModel(string folder)
    {
        _folder = folder;
        _text = JobInputs.Load(Path.Combine(folder, "text_encoder"), json => new ClipTextEncoder(ClipTextConfig.FromJson(json, projection: false)));
        _unet = JobInputs.Load(Path.Combine(folder, "unet"), json => new UNet(UNetConfig.FromJson(json)));
        _text.Freeze();
        _unet.Freeze();
        _tokenizer = ClipTokenizer.Load(Path.Combine(folder, "tokenizer"), new ClipTokenizerOptions(_text.Config.MaxPositions));
        var side = _unet.Config.SampleSize ?? throw new DataException($"{folder}: the U-Net's configuration does not say its sample_size");
        Shape = [_unet.Config.InChannels, side, side];
        _vae = new(LoadVae);
    }

    /// <summary>Its tokenizer.</summary>
    public ClipTokenizer Tokenizer => _tokenizer;

    /// <summary>Shape of one latent.</summary>
    public long[] Shape { get; }

    /// <summary>The autoencoder.</summary>
    public AutoencoderKL Vae => _vae.Value;

    /// <summary>Rows of ids of texts, [B, L].</summary>
    public Tensor Rows(IEnumerable<string> captions)
    {
        var rows = captions.Select(c => _tokenizer.EncodePadded(c)).ToArray();
        return tensor(rows.SelectMany(r => r).Select(i => (long)i).ToArray()).reshape(rows.Length, _tokenizer.MaxLength);
    }

    /// <summary>The states of texts, [B, L, width].</summary>
    public Tensor Encode(Tensor ids)
    {
        using var said = _text.Encode(ids);
        return said.LastHiddenState.alias();
    }

    /// <summary>The U-Net's answer, [B, C, H, W].</summary>
    public Tensor Call(Tensor state, Tensor time, Tensor text) => _unet.call(state, time, text, null);

    /// <summary>Euler steps from noise under texts.</summary>
    public EulerResult Run(Tensor noise, Tensor text, int steps) => EulerPath.Run(noise, steps, (z, t) => Call(z, t, text));

    /// <summary>The pictures of scaled latents, [B, 3, S, S], about [-1, 1].</summary>
    public Tensor Decode(Tensor latent)
    {
        using var unscaled = Vae.Unscale(latent);
        return Vae.Decode(unscaled);
    }

    public void Dispose()
    {
        _text.Dispose();
        _unet.Dispose();
        if (_vae.IsValueCreated)
            _vae.Value.Dispose();
    }

    private AutoencoderKL LoadVae()
    {
        var vae = JobInputs.Load(Path.Combine(_folder, "vae"), json => new AutoencoderKL(AutoencoderKLConfig.FromJson(json)));
        vae.Freeze();
        return vae;
    }
}
