using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Image = Mesh.Imaging.Image;

namespace Mesh.Gateway.Images;

/// <summary>Pictures to tensors and back.</summary>
internal static class Pixels
{
    /// <summary>[3, height, width], uint8.</summary>
    public static Tensor ToPlanes(Image image)
    {
        var size = image.Width * image.Height;
        var planes = new byte[size * Image.Channels];
        for (var i = 0; i < size; i++)
        {
            for (var channel = 0; channel < Image.Channels; channel++) planes[channel * size + i] = image.Pixels[i * Image.Channels + channel];
        }
        return Wrap(planes, Image.Channels, image.Height, image.Width);
    }

    /// <summary>[height, width, 3], uint8.</summary>
    public static Tensor ToRows(Image image) => Wrap(image.Pixels, image.Height, image.Width, Image.Channels);

    /// <summary>The picture that a stage sent as [height, width, 3], uint8.</summary>
    /// <exception cref="InvalidDataException">The tensor is something else.</exception>
    public static Image ToImage(Tensor? tensor)
    {
        if (tensor is not { DataType: DataType.Uint8, Shape: [> 0 and <= int.MaxValue and var height, > 0 and <= int.MaxValue and var width, Image.Channels] } || tensor.Data.Length != height * width * Image.Channels)
            throw new InvalidDataException($"a stage sent {Describe(tensor)} where pixels belong");
        return new((int)width, (int)height, tensor.Data.ToByteArray());
    }

    private static string Describe(Tensor? tensor) => tensor is null ? "nothing" : $"{tensor.DataType} [{string.Join(", ", tensor.Shape)}] with {tensor.Data.Length} bytes";

    private static Tensor Wrap(byte[] values, params ReadOnlySpan<int> shape)
    {
        var tensor = new Tensor { DataType = DataType.Uint8, Data = UnsafeByteOperations.UnsafeWrap(values) };
        foreach (var side in shape) tensor.Shape.Add(side);
        return tensor;
    }
}
