using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using TorchSharp;

namespace Mesh.Cli.Doctor;

/// <summary>Looks at this machine: what runs Mesh, what would run it better, what is missing.</summary>
internal static class Examination
{
    private const long LeastMemoryBytes = 4L << 30;
    private const long LeastDiskBytes = 2L << 30;

    public static IEnumerable<Finding> Run() => [Runtime(), Processor(), Memory(), Disk(), Tensors(), Devices(), Program("redis-server", "the embedding cache and the job queue")];

    private static Finding Runtime() => new("runtime", Verdict.Good, $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}");

    private static Finding Processor()
    {
        var found = $"{Environment.ProcessorCount} cores, {(Avx512F.IsSupported ? "AVX-512" : Avx2.IsSupported ? "AVX2" : "neither AVX2 nor AVX-512")}";
        return Avx512F.IsSupported || !X86Base.IsSupported
            ? new("processor", Verdict.Good, found)
            : new("processor", Verdict.Optional, found, "networks run about three times faster with AVX-512");
    }

    private static Finding Memory()
    {
        var bytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return bytes >= LeastMemoryBytes
            ? new("memory", Verdict.Good, Gigabytes(bytes))
            : new("memory", Verdict.Optional, Gigabytes(bytes), "enough for the built-in model; a Stable Diffusion checkpoint needs 6 GiB and more");
    }

    private static Finding Disk()
    {
        var folder = Environment.CurrentDirectory;
        var bytes = new DriveInfo(folder).AvailableFreeSpace;
        return bytes >= LeastDiskBytes
            ? new("disk", Verdict.Good, $"{Gigabytes(bytes)} free in {folder}")
            : new("disk", Verdict.Optional, $"{Gigabytes(bytes)} free in {folder}", "checkpoints and data sets need room: free some, or run from another disk");
    }

    /// <summary>Loads the native library and computes something whose answer is known.</summary>
    private static Finding Tensors()
    {
        try
        {
            using var scope = torch.NewDisposeScope();
            var product = torch.ones(8, 16).matmul(torch.ones(16, 8)).sum().item<float>();
            return product == 1024
                ? new("tensors", Verdict.Good, $"TorchSharp with libtorch {torch.__version__}, {torch.get_num_threads()} threads")
                : new("tensors", Verdict.Needed, $"a matrix product that is 1024 came out as {product}", "the native library does not fit this processor: install another build of libtorch");
        }
        catch (Exception e) when (e is DllNotFoundException or ExternalException or TypeInitializationException or NotSupportedException or EntryPointNotFoundException)
        {
            return new("tensors", Verdict.Needed, (e.InnerException ?? e).Message, "build again with ./mesh build; it names the system packages that are missing");
        }
    }

    private static Finding Devices()
    {
        try
        {
            var count = torch.cuda.is_available() ? torch.cuda.device_count() : 0;
            return count > 0
                ? new("devices", Verdict.Good, $"cpu, {string.Join(", ", Enumerable.Range(0, count).Select(i => $"cuda:{i}"))}")
                : new("devices", Verdict.Optional, "cpu", "no CUDA device, or a build without CUDA: everything runs on the processor, slower");
        }
        catch (Exception e) when (e is DllNotFoundException or ExternalException or TypeInitializationException or NotSupportedException)
        {
            return new("devices", Verdict.Needed, "unknown: the native library does not load");
        }
    }

    private static Finding Program(string name, string purpose)
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Where(x => x.Length > 0)
            .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return path is not null
            ? new(name, Verdict.Good, path)
            : new(name, Verdict.Optional, "not on the PATH", $"{purpose} need it: apt-get install {name}");
    }

    private static string Gigabytes(long bytes) => (bytes / (double)(1L << 30)).ToString("0.0 'GiB'", CultureInfo.InvariantCulture);
}
