using static TorchSharp.torch;

namespace Mesh.Models.Layers;

/// <summary>A layer of ours with weights of its own, which can be built without memory and given it later.</summary>
internal interface IOwnWeights
{
    /// <summary>Puts memory with nothing in it in the place of every weight.</summary>
    void Allocate(ScalarType dtype);
}
