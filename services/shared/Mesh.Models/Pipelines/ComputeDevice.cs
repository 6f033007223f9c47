using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>A device that networks can compute on.</summary>
/// <param name="Name">cpu or cuda:N.</param>
/// <param name="Device">The same for the tensor library.</param>
/// <param name="Kind">What the same numbers can be expected of: <c>cpu avx512</c>, <c>cuda sm_90</c>.</param>
/// <param name="MemoryBytes">The device's own memory, or the machine's.</param>
public sealed record ComputeDevice(string Name, Device Device, string Kind, long MemoryBytes)
{
    private const string Cpu = "cpu";
    private const string Auto = "auto";
    private const string CudaPrefix = "cuda:";

    /// <summary>The CUDA devices of this machine: cuda:0 and so on; none without a driver or in a build without CUDA.</summary>
    public static IReadOnlyList<string> CudaNames() => cuda.is_available()
        ? [.. Enumerable.Range(0, cuda.device_count()).Select(i => string.Create(CultureInfo.InvariantCulture, $"{CudaPrefix}{i}"))]
        : [];

    /// <summary>The tensor library's version, for saying what made a picture.</summary>
    public static string LibraryVersion => __version__;

    /// <summary>Finds a device.</summary>
    /// <param name="name">cpu, cuda:N, or auto for the first CUDA device, else the CPU.</param>
    /// <exception cref="ArgumentException">There is no such device; the message says what there is.</exception>
    public static ComputeDevice Open(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name == Cpu)
            return new ComputeDevice(Cpu, CPU, $"cpu {Instructions()}", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        var found = CudaNames();
        if (name == Auto)
            return Open(found.Count > 0 ? found[0] : Cpu);
        if (!found.Contains(name))
        {
            throw new ArgumentException(
                $"there is no device {name} here: {(found.Count > 0 ? $"there are cpu, {string.Join(", ", found)}" : "no CUDA device was found, or this build computes on the CPU alone")}",
                nameof(name));
        }

        var ordinal = int.Parse(name.AsSpan(CudaPrefix.Length), CultureInfo.InvariantCulture);
        var (major, minor, memory) = CudaDriver.Describe(ordinal);
        return new ComputeDevice(name, torch.device(DeviceType.CUDA, ordinal), string.Create(CultureInfo.InvariantCulture, $"cuda sm_{major}{minor}"), memory);
    }

    /// <summary>The widest instructions that the tensor library's kernels tell apart.</summary>
    private static string Instructions()
    {
        if (Avx512F.IsSupported)
            return "avx512";
        return Avx2.IsSupported ? "avx2" : RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
    }
}
