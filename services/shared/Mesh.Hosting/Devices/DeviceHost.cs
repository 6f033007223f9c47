using Mesh.Hosting.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Hosting.Devices;

/// <summary>How a service comes by its device.</summary>
public static class DeviceHost
{
    /// <summary>Takes the device that <c>Mesh:Device</c> names, for as long as the service lives.</summary>
    /// <param name="builder">Of the service.</param>
    /// <param name="cudaDevices">Those of this machine.</param>
    /// <returns><c>cpu</c> or <c>cuda:N</c>.</returns>
    /// <exception cref="ConfigurationException">The device does not exist, or another service has it.</exception>
    public static string PinDevice(this WebApplicationBuilder builder, IReadOnlyList<string> cudaDevices)
    {
        var options = builder.ReadMeshOptions<DeviceOptions>(DeviceOptions.SectionName);
        var pin = DevicePin.Take(options, builder.Registered<MeshService>().Name, cudaDevices);
        builder.Services.AddHostedService(_ => new Holder(pin));
        return pin.Name;
    }

    /// <summary>The container disposes what it made itself, and makes hosted services at the start.</summary>
    private sealed class Holder(DevicePin pin) : IHostedService, IDisposable
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Dispose() => pin.Dispose();
    }
}
