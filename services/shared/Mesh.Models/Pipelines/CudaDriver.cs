using System.Runtime.InteropServices;

namespace Mesh.Models.Pipelines;

/// <summary>What the CUDA driver says of a device and the tensor library does not: its architecture and memory.</summary>
internal static partial class CudaDriver
{
    private const string Library = "libcuda.so.1";
    private const int ComputeCapabilityMajor = 75;
    private const int ComputeCapabilityMinor = 76;

    /// <summary>Asks the driver.</summary>
    /// <param name="ordinal">As the tensor library counts, which both do by CUDA_VISIBLE_DEVICES.</param>
    /// <exception cref="InvalidOperationException">The driver refuses.</exception>
    public static (int Major, int Minor, long MemoryBytes) Describe(int ordinal)
    {
        Check(cuInit(0));
        Check(cuDeviceGet(out var device, ordinal));
        Check(cuDeviceGetAttribute(out var major, ComputeCapabilityMajor, device));
        Check(cuDeviceGetAttribute(out var minor, ComputeCapabilityMinor, device));
        Check(cuDeviceTotalMem_v2(out var bytes, device));
        return (major, minor, (long)bytes);
    }

    private static void Check(int result)
    {
        if (result != 0)
            throw new InvalidOperationException($"the CUDA driver answered with error {result}");
    }

    [DllImport(Library, ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int cuInit(uint flags);

    [DllImport(Library, ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int cuDeviceGet(out int device, int ordinal);

    [DllImport(Library, ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int cuDeviceGetAttribute(out int value, int attribute, int device);

    [DllImport(Library, ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int cuDeviceTotalMem_v2(out nuint bytes, int device);
}
