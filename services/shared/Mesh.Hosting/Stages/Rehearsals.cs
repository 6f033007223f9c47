namespace Mesh.Hosting.Stages;

/// <summary>How much is measured before a stage is ready: about two seconds of device time, however slow the device is.</summary>
internal sealed class Rehearsals
{
    private const int MostRuns = 3;
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(100);
    private TimeSpan _spent;
    private TimeSpan _last;

    /// <summary>Whether a batch of this size is likely to fit what is left; the smallest always does.</summary>
    public bool MayGrow(int size) => size == 1 || _spent + (2 * _last) <= Budget;

    /// <summary>The quickest of a few runs, of a single one where that is slow.</summary>
    public TimeSpan Best(Func<TimeSpan> run)
    {
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < MostRuns; i++)
        {
            var elapsed = run();
            _spent += elapsed;
            best = elapsed < best ? elapsed : best;
            if (elapsed > Quick) break;
        }
        return _last = best;
    }
}
