namespace Mesh.Gateway.Keys;

/// <summary>
/// Counts what happened in the last so-and-so long, in 60 slots: a slot is forgotten once all of it is older than that, so that no span of
/// that length ever holds more than was let in. Not safe for several threads.
/// </summary>
internal sealed class SlidingCount(TimeSpan span)
{
    private const int Slots = 60;

    private readonly long _slotTicks = span.Ticks / Slots;
    // One more than the span holds: the slot that has begun is not over.
    private readonly (long Slot, long Count)[] _counts = new (long, long)[Slots + 1];

    /// <summary>What counts at a time.</summary>
    public long Total(DateTimeOffset now) => _counts.Where(x => IsHeld(x.Slot, SlotOf(now))).Sum(x => x.Count);

    /// <summary>Adds at a time; takes away where negative, never below nothing.</summary>
    public void Add(DateTimeOffset now, long count)
    {
        var slot = SlotOf(now);
        ref var held = ref _counts[slot % _counts.Length];
        if (held.Slot != slot)
        {
            // A slot that is long over is taken back from no more.
            if (count < 0 && held.Slot > slot) return;
            held = (slot, 0);
        }
        held.Count = Math.Max(0, held.Count + count);
    }

    /// <summary>How long from a time until at most so many count; nothing where that is so already.</summary>
    public TimeSpan UntilAtMost(DateTimeOffset now, long most)
    {
        var (current, total) = (SlotOf(now), Total(now));
        foreach (var (slot, count) in _counts.Where(x => IsHeld(x.Slot, current)).OrderBy(x => x.Slot))
        {
            if (total <= most) break;
            total -= count;
            if (total <= most) return new DateTimeOffset((slot + _counts.Length) * _slotTicks, TimeSpan.Zero) - now;
        }
        return TimeSpan.Zero;
    }

    private long SlotOf(DateTimeOffset time) => time.UtcTicks / _slotTicks;

    private bool IsHeld(long slot, long current) => slot > current - _counts.Length && slot <= current;
}
