using System.Diagnostics.Metrics;

namespace Mesh.Trainer;

/// <summary>What this trainer does with jobs.</summary>
internal sealed class TrainerMetrics
{
    private readonly Counter<long> _ended;
    private readonly Counter<long> _reclaimed;
    private int _running;

    public TrainerMetrics(IMeterFactory factory)
    {
        var meter = factory.Create("Mesh.Trainer");
        _ended = meter.CreateCounter<long>("mesh_trainer_jobs_total", null, "Jobs that this trainer ended, by kind and outcome");
        _reclaimed = meter.CreateCounter<long>("mesh_trainer_reclaimed_total", null, "Jobs that it took over from trainers that were lost, or that it tried again");
        meter.CreateObservableGauge("mesh_trainer_running", () => Volatile.Read(ref _running), null, "Jobs that it works on");
    }

    public void Begin(int delivery)
    {
        Volatile.Write(ref _running, 1);
        if (delivery > 1) _reclaimed.Add(1);
    }

    public void End(string kind, string outcome)
    {
        Volatile.Write(ref _running, 0);
        _ended.Add(1, new("kind", kind), new("outcome", outcome));
    }
}
