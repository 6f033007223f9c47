using System.Globalization;
using Mesh.Hosting.Configuration;

namespace Mesh.Hosting.Devices;

/// <summary>The one device that a service computes on, held until it is disposed or the process ends, however it ends.</summary>
public sealed class DevicePin : IDisposable
{
    private const string Cpu = "cpu";
    private const string Auto = "auto";
    private const string CudaPrefix = "cuda:";
    private const string Key = "Mesh:Device:Name";
    private readonly DeviceLock? _lock;

    private DevicePin(string name, string kind, DeviceLock? held) => (Name, Kind, _lock) = (name, kind, held);

    /// <summary><c>cpu</c> or <c>cuda:N</c>.</summary>
    public string Name { get; }

    /// <summary>What its results depend on, such as <c>cpu avx512</c> or <c>cuda sm_90</c>.</summary>
    public string Kind { get; }

    /// <summary>The number of a CUDA device; null: the CPU.</summary>
    public int? CudaIndex => Name == Cpu ? null : int.Parse(Name.AsSpan(CudaPrefix.Length), CultureInfo.InvariantCulture);

    /// <summary>Takes the configured device for this service alone, or together with others where all of them allow it. The CPU is always shared.</summary>
    /// <param name="options">Which.</param>
    /// <param name="owner">The service, for what another one is told.</param>
    /// <param name="library">What there is.</param>
    /// <exception cref="ConfigurationException">The device does not exist, or another service has it.</exception>
    public static DevicePin Take(DeviceOptions options, string owner, TensorLibrary library)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(library);
        if (options.Name == Cpu) return OnCpu();
        var count = library.CudaDevices();
        if (options.Name == Auto) return count == 0 ? OnCpu() : TakeFirst(options, owner, library, count);
        var index = int.Parse(options.Name.AsSpan(CudaPrefix.Length), CultureInfo.InvariantCulture);
        if (index >= count)
        {
            var there = count switch { 0 => "no CUDA device that it can use", 1 => "one, cuda:0", _ => $"those from cuda:0 to cuda:{count - 1}" };
            throw new ConfigurationException($"{Key}: {options.Name} does not exist; this machine has {there} ({library.Version})");
        }
        return TryTake(options, owner, library, index, out var holder)
            ?? throw new ConfigurationException($"{Key}: {options.Name} is in use by {holder}; give this service another device, or set Mesh:Device:AllowShared=true for both");
    }

    public void Dispose() => _lock?.Dispose();

    private static DevicePin OnCpu() => new(Cpu, $"{Cpu} {TensorLibrary.CpuKind}", null);

    private static DevicePin TakeFirst(DeviceOptions options, string owner, TensorLibrary library, int count)
    {
        List<string> holders = [];
        for (var i = 0; i < count; i++)
        {
            if (TryTake(options, owner, library, i, out var holder) is { } pin) return pin;
            holders.Add($"{CudaPrefix}{i} by {holder}");
        }
        throw new ConfigurationException($"{Key}: every CUDA device is in use ({string.Join(", ", holders)}); name cpu, or set Mesh:Device:AllowShared=true for all that share one");
    }

    private static DevicePin? TryTake(DeviceOptions options, string owner, TensorLibrary library, int index, out string holder)
    {
        var folder = options.LockFolder ?? Path.Combine(Path.GetTempPath(), "mesh-devices");
        var held = DeviceLock.TryTake(folder, $"cuda-{index}", options.AllowShared, owner, out holder);
        return held is null ? null : new DevicePin($"{CudaPrefix}{index}", $"cuda {library.CudaKind(index)}", held);
    }
}
