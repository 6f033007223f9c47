using Microsoft.Extensions.Hosting;

namespace Mesh.Hosting.Health;

/// <summary>A service that signals do not stop, because the process stops it in its turn.</summary>
internal sealed class UnsignalledLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
