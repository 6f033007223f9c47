using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Mesh.Hosting.Devices;

/// <summary>What must be asked of the tensor library, which this project does not know.</summary>
/// <param name="Version">Its name and version, such as <c>libtorch 1.13.1</c>.</param>
/// <param name="CudaDevices">How many CUDA devices it can use here; 0: none, or built without CUDA.</param>
/// <param name="CudaKind">What a CUDA device's results depend on, by its number, such as <c>sm_90</c>.</param>
public sealed record TensorLibrary(string Version, Func<int> CudaDevices, Func<int, string> CudaKind)
{
    /// <summary>What results on this processor depend on: its widest vectors.</summary>
    public static string CpuKind { get; } =
        Avx512F.IsSupported ? "avx512" : Avx2.IsSupported ? "avx2" : Sse42.IsSupported ? "sse4" : AdvSimd.IsSupported ? "neon" : "scalar";
}
