using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Lora;

/// <summary>Tensors in memory as if they were a file.</summary>
internal sealed class FakeWeights(Dictionary<string, Tensor> tensors) : IWeightSource
{
    public IReadOnlyDictionary<string, TensorEntry> Entries { get; } =
        tensors.ToDictionary(t => t.Key, t => new TensorEntry(DTypes.FromScalarType(t.Value.dtype), t.Value.shape));

    public Tensor Read(string name, ScalarType dtype) => tensors[name].detach().to(dtype, copy: true);
}
