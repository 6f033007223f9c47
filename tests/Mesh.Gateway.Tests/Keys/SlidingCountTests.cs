using Mesh.Gateway.Keys;

namespace Mesh.Gateway.Tests.Keys;

public sealed class SlidingCountTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly SlidingCount _count = new(TimeSpan.FromMinutes(1));

    [Theory]
    [InlineData(0, 5)]
    [InlineData(59.9, 5)]
    [InlineData(60, 5)]
    [InlineData(61, 0)]
    [InlineData(3600, 0)]
    public void Total_SomeTimeLater_CountsWhatIsYoungerThanTheSpan(double seconds, long expected)
    {
        _count.Add(Start, 5);

        _count.Total(Start.AddSeconds(seconds)).ShouldBe(expected);
    }

    [Fact]
    public void Total_AnySpanOfAMinute_HoldsNoMoreThanWasLetIn()
    {
        // Whoever adds one whenever the total lets him: within any minute there are at most ten.
        var random = new Random(7);
        List<DateTimeOffset> taken = [];
        for (var now = Start; now < Start.AddMinutes(20); now = now.AddSeconds(random.NextDouble() * 4))
        {
            if (_count.Total(now) >= 10) continue;
            _count.Add(now, 1);
            taken.Add(now);
        }

        taken.Count.ShouldBeGreaterThan(150);
        taken.ShouldAllBe(first => taken.Count(x => x >= first && x < first.AddMinutes(1)) <= 10);
    }

    [Fact]
    public void UntilAtMost_ReturnsWhenThereIsRoom()
    {
        _count.Add(Start, 4);
        _count.Add(Start.AddSeconds(20), 3);
        var now = Start.AddSeconds(30);

        foreach (var most in new[] { 7, 6, 3, 2, 0 })
        {
            var wait = _count.UntilAtMost(now, most);
            _count.Total(now + wait).ShouldBeLessThanOrEqualTo(most);
            if (wait > TimeSpan.Zero) _count.Total(now + wait - TimeSpan.FromTicks(1)).ShouldBeGreaterThan(most);
        }
        _count.UntilAtMost(now, 7).ShouldBe(TimeSpan.Zero);
        _count.UntilAtMost(now, 3).ShouldBe(TimeSpan.FromSeconds(31));
        _count.UntilAtMost(now, 0).ShouldBe(TimeSpan.FromSeconds(51));
    }

    [Fact]
    public void Add_Negative_TakesBackWhatIsStillCounted()
    {
        _count.Add(Start, 5);
        _count.Add(Start, -2);
        _count.Total(Start).ShouldBe(3);

        _count.Add(Start.AddSeconds(61), 4);
        _count.Add(Start, -3);
        _count.Total(Start.AddSeconds(61)).ShouldBe(4);
    }
}
