using Mesh.Hosting.Configuration;

namespace Mesh.Hosting.Devices;

/// <summary>The one device that a service computes on, held until it is disposed or the process ends, however it ends.</summary>
public sealed class DevicePin : IDisposable
{
    private const string Cpu = "cpu";
    private const string Auto = "auto";
    private const string Key = "Mesh:Device:Name";
    private readonly DeviceLock? _lock;

    private DevicePin(string name, DeviceLock? held) => (Name, _lock) = (name, held);

    /// <summary><c>cpu</c> or <c>cuda:N</c>.</summary>
    public string Name { get; }

    /// <summary>Takes the configured device for this service alone, or together with others where all of them allow it. The CPU is always shared.</summary>
    /// <param name="options">Which.</param>
    /// <param name="owner">The service, for what another one is told.</param>
    /// <param name="cudaDevices">Those of this machine, such as <c>cuda:0</c>; none where there is no driver.</param>
    /// <exception cref="ConfigurationException">The device does not exist, or another service has it.</exception>
    public static DevicePin Take(DeviceOptions options, string owner, IReadOnlyList<string> cudaDevices)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(cudaDevices);
        if (options.Name == Cpu || (options.Name == Auto && cudaDevices.Count == 0)) return new(Cpu, null);
        if (options.Name == Auto) return TakeFirst(options, owner, cudaDevices);
        if (!cudaDevices.Contains(options.Name)) throw new ConfigurationException($"{Key}: {options.Name} does not exist; this machine has {string.Join(", ", [Cpu, .. cudaDevices])}");
        return TryTake(options, owner, options.Name, out var holder)
            ?? throw new ConfigurationException($"{Key}: {options.Name} is in use by {holder}; give this service another device, or set Mesh:Device:AllowShared=true for both");
    }

    public void Dispose() => _lock?.Dispose();

    private static DevicePin TakeFirst(DeviceOptions options, string owner, IReadOnlyList<string> cudaDevices)
    {
        List<string> holders = [];
        foreach (var device in cudaDevices)
        {
            if (TryTake(options, owner, device, out var holder) is { } pin) return pin;
            holders.Add($"{device} by {holder}");
        }
        throw new ConfigurationException($"{Key}: every CUDA device is in use ({string.Join(", ", holders)}); name cpu, or set Mesh:Device:AllowShared=true for all that share one");
    }

    private static DevicePin? TryTake(DeviceOptions options, string owner, string device, out string holder)
    {
        var folder = options.LockFolder ?? Path.Combine(Path.GetTempPath(), "mesh-devices");
        var held = DeviceLock.TryTake(folder, device.Replace(':', '-'), options.AllowShared, owner, out holder);
        return held is null ? null : new DevicePin(device, held);
    }
}
