using System.Globalization;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Shape, element type and device, as in "[2x3], type = Float32, device = cpu".</summary>
        public override string ToString() => IsInvalid
            ? "<disposed tensor>"
            : string.Create(CultureInfo.InvariantCulture, $"[{string.Join("x", shape)}], type = {dtype}, device = {device}");

        /// <summary>Reads what TensorExtensionMethods.Save wrote.</summary>
        public static Tensor Load(BinaryReader reader) => TensorExtensionMethods.Load(reader);

        public static Tensor Load(Stream stream)
        {
            using var reader = new BinaryReader(stream, System.Text.Encoding.UTF8, leaveOpen: true);
            return Load(reader);
        }

        public static Tensor Load(string location)
        {
            using var file = File.OpenRead(location);
            return Load(file);
        }
    }
}
