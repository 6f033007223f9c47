using Mesh.Batching;
using Mesh.Hosting.Stages;
using Mesh.Models.Pipelines;
using static TorchSharp.torch;

namespace Mesh.Decoder;

/// <summary>Decodes a batch of latents, each by itself, so that its bytes never depend on what it shares a batch with.</summary>
internal sealed class DecodeWork : IStageWork<DecoderModel, DecodeKey, DecodeItem, DecodedPicture>
{
    // What a picture's decoding takes grows with its area: 2 GiB at 2048 px. Tiles bound it, at the price of a little colour between them.
    private const int MostUntiledSide = 1024;

    public string Stage => "decoder";

    public void Run(DecoderModel model, DecoderModel? companion, DecodeKey key, IBatch<DecodeItem, DecodedPicture> batch)
    {
        var stage = key.Preview ? model.Preview! : model.Full;
        batch.Each(item => Decode(stage, key, item));
    }

    public Rehearsal<DecodeKey, DecodeItem> Rehearse(DecoderModel model, int size)
    {
        var side = model.Side / model.Full.Factor;
        var values = new float[model.Full.LatentChannels * side * side];
        return new(new(false, side, side), [.. Enumerable.Repeat(new DecodeItem(values), size)]);
    }

    private static DecodedPicture Decode(DecodeStage stage, DecodeKey key, DecodeItem item)
    {
        using var scope = NewDisposeScope();
        var latent = tensor(item.Values, [1, stage.LatentChannels, key.Height, key.Width]);
        var tiled = Math.Max(key.Height, key.Width) * stage.Factor > MostUntiledSide;
        var pixels = DecodeStage.ToPixels(stage.Decode(latent, tiled)); // [1, H, W, 3]
        return new(pixels.data<byte>().ToArray(), (int)pixels.shape[1], (int)pixels.shape[2]);
    }
}
