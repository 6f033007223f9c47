using Mesh.Hosting.Stages;

namespace Mesh.Stages.Tests;

public sealed class WorkItemTests
{
    [Fact]
    public void TimerRunsBeforeTheClock_IsLate()
    {
        using var work = new WorkItem(new WorkHeader(1, Cancel: false, TimeoutUs: 100_000, TraceParent: ""), new EarlyTimers());

        work.Cancelled.IsCancellationRequested.ShouldBeTrue();
        work.IsLate.ShouldBeTrue();
    }

    [Fact]
    public void TakenBack_IsNotLate()
    {
        using var work = new WorkItem(new WorkHeader(1, Cancel: false, TimeoutUs: 3_600_000_000, TraceParent: ""), TimeProvider.System);

        work.Cancel();

        work.Cancelled.IsCancellationRequested.ShouldBeTrue();
        work.IsLate.ShouldBeFalse();
    }

    /// <summary>A clock that stands still, and timers that do not wait for it.</summary>
    private sealed class EarlyTimers : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            callback(state);
            return System.CreateTimer(static _ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
