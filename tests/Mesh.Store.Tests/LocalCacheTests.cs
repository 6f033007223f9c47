using Mesh.Testing;

namespace Mesh.Store.Tests;

public sealed class LocalCacheTests
{
    [Fact]
    public void Set_BeyondTheBudget_DropsWhatWasNotUsedForLongest()
    {
        var cache = new LocalCache(3 * (100 + 2));
        foreach (var key in "abc") cache.Set($"{key}", new byte[100]);
        cache.TryGet("a", out _).ShouldBeTrue();

        cache.Set("d", new byte[100]);

        cache.TryGet("b", out _).ShouldBeFalse();
        foreach (var key in "acd") cache.TryGet($"{key}", out _).ShouldBeTrue();
        cache.Bytes.ShouldBe(3 * 102);
    }

    [Fact]
    public void Set_LargerThanTheBudget_KeepsWhatIsThere()
    {
        var cache = new LocalCache(200);
        cache.Set("a", new byte[100]);

        cache.Set("b", new byte[500]);

        cache.TryGet("a", out _).ShouldBeTrue();
        cache.TryGet("b", out _).ShouldBeFalse();
    }

    [Fact]
    public void Set_SameKeyAgain_CountsItOnce()
    {
        var cache = new LocalCache(1000);
        cache.Set("a", new byte[100]);
        cache.Set("a", [1, 2, 3]);

        cache.Bytes.ShouldBe(5);
        cache.TryGet("a", out var value).ShouldBeTrue();
        value.ShouldBe([1, 2, 3]);
    }

    [Fact]
    public void Value_PastItsLifetime_IsGone()
    {
        var time = new ManualTime();
        var cache = new LocalCache(1000, TimeSpan.FromMinutes(5), time);
        cache.Set("a", [1]);

        time.Advance(TimeSpan.FromMinutes(4));
        cache.TryGet("a", out _).ShouldBeTrue();
        time.Advance(TimeSpan.FromMinutes(1));

        cache.TryGet("a", out _).ShouldBeFalse();
        cache.Bytes.ShouldBe(0);
    }
}
