using Mesh.Hosting.Health;

namespace Mesh.Gateway.Stages;

/// <summary>The gateway is ready while every stage that a picture needs has a replica that serves.</summary>
internal sealed class StageReadiness(MeshStages stages, Readiness readiness) : IHostedService
{
    private readonly Lock _gate = new();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var pool in stages.Needed)
        {
            pool.OnChanged(() => Say(pool));
            Say(pool);
        }
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void Say(StagePool pool)
    {
        var name = $"{pool.Stage} stage";
        lock (_gate)
        {
            if (pool.IsServing) readiness.Open(name);
            else readiness.Close(name, pool.Replicas.IsEmpty ? "no replica is known" : string.Join("; ", pool.Replicas.Select(x => $"{x.Address}: {x.Trouble}")));
        }
    }
}
