using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace TorchSharp;

/// <summary>Loads libmesh_torch.so, which lies beside the assembly, after telling libtorch's BLAS and threads what suits them.</summary>
internal static partial class NativeLoader
{
    private static readonly Lazy<nint> Handle = new(Load);

    internal static void Register() =>
        NativeLibrary.SetDllImportResolver(typeof(NativeLoader).Assembly, (name, _, _) => name == "mesh_torch" ? Handle.Value : 0);

    private static nint Load()
    {
        // OpenBLAS 0.3.21 does not know newer Intel cores and falls back to kernels of 2004, a quarter as fast.
        // It reads the variable from the C environment while it is being loaded; a value that the user has set stays.
        if (OperatingSystem.IsLinux() && Avx512F.IsSupported) _ = SetVariable("OPENBLAS_CORETYPE", "SkylakeX", 0);
        // Idle OpenMP threads spin for milliseconds by default. Where other work wants the same cores, the thread that they wait for
        // does not get to run: convolutions then take three times as long, small operators twenty. A fifth of a millisecond bridges
        // the gap between two operators of a network.
        if (OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null) _ = SetVariable("GOMP_SPINCOUNT", "5000", 0);
        // libtorch 1.13 counts one core on some virtual machines; two threads on one core gain nothing either.
        if (OperatingSystem.IsLinux()) _ = SetVariable("OMP_NUM_THREADS", PhysicalCores().ToString(CultureInfo.InvariantCulture), 0);

        var beside = Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location);
        var folder = string.IsNullOrEmpty(beside) ? AppContext.BaseDirectory : beside;
        return NativeLibrary.Load(Path.Combine(folder, "libmesh_torch.so"));
    }

    /// <summary>Cores that this process may use, each counted once however many threads it runs at a time.</summary>
    private static int PhysicalCores()
    {
        const string folder = "/sys/devices/system/cpu";
        if (!Directory.Exists(folder)) return Environment.ProcessorCount;
        var cores = Directory.EnumerateDirectories(folder, "cpu*").Select(x => Path.Combine(x, "topology", "thread_siblings_list"))
            .Where(File.Exists).Select(File.ReadAllText).Distinct().Count();
        return cores == 0 ? Environment.ProcessorCount : Math.Min(cores, Environment.ProcessorCount);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
