namespace Mesh.Batching.Tests;

public sealed class BatchCostsTests
{
    [Fact]
    public void Estimate_NothingMeasured_IsNull() => new BatchCosts().Estimate(1).ShouldBeNull();

    [Theory]
    [InlineData(2, 20)]
    [InlineData(4, 30)]
    [InlineData(6, 40)]
    [InlineData(1, 20)]
    [InlineData(12, 80)]
    public void Estimate_BetweenMeasuredSizes_LiesOnTheirLine(int size, int milliseconds)
    {
        var costs = new BatchCosts();
        costs.Add(2, TimeSpan.FromMilliseconds(20));
        costs.Add(6, TimeSpan.FromMilliseconds(40));

        costs.Estimate(size)!.Value.TotalMilliseconds.ShouldBe(milliseconds, 1e-9);
    }

    [Fact]
    public void Capacity_IsTheBestRateOfAnySize()
    {
        var costs = new BatchCosts();
        costs.Add(1, TimeSpan.FromMilliseconds(50));
        costs.Add(4, TimeSpan.FromMilliseconds(100));

        costs.Capacity().ShouldBe(40, 1e-9);
    }

    [Fact]
    public void Add_SameSizeAgain_MovesTheMeanAFifth()
    {
        var costs = new BatchCosts();
        costs.Add(1, TimeSpan.FromMilliseconds(100));
        costs.Add(1, TimeSpan.FromMilliseconds(200));

        costs.Measured().ShouldBe([(1, TimeSpan.FromMilliseconds(120))]);
    }
}
