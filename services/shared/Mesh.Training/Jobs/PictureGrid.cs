using Mesh.Imaging;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Pictures side by side.</summary>
public static class PictureGrid
{
    /// <summary>A sheet of pictures as PNG.</summary>
    /// <param name="pictures">[B, 3, H, W] in [-1, 1].</param>
    /// <param name="columns">Pictures in a row.</param>
    public static byte[] Png(Tensor pictures, int columns)
    {
        var (count, height, width) = ((int)pictures.shape[0], (int)pictures.shape[2], (int)pictures.shape[3]);
        var sheet = Image.Filled(Math.Min(columns, count) * width, (count + columns - 1) / columns * height, 255, 255, 255);
        for (var i = 0; i < count; i++)
            sheet.Paste(Picture(pictures, i), i % columns * width, i / columns * height);
        return ImageCodec.Encode(sheet, ImageFormat.Png);
    }

    /// <summary>One picture of a batch.</summary>
    public static Image Picture(Tensor pictures, int index)
    {
        using var scope = NewDisposeScope();
        var bytes = ((pictures[index].detach().to(ScalarType.Float32) / 2) + 0.5).clamp(0, 1).mul(255).round().to(ScalarType.Byte).permute(1, 2, 0).cpu().contiguous();
        return new Image((int)bytes.shape[1], (int)bytes.shape[0], bytes.data<byte>().ToArray());
    }
}
