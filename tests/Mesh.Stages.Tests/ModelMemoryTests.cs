using Mesh.Hosting.Stages;

namespace Mesh.Stages.Tests;

public sealed class ModelMemoryTests
{
    [Theory]
    [InlineData("cpu", null, 1000)]
    [InlineData("cuda:1", null, 2000)]
    [InlineData("cpu", 3000L, 3000)]
    public void Budget_IsAShareOfTheDevicesMemoryUnlessItIsConfigured(string device, long? configured, long expected) =>
        new ModelMemoryOptions { BudgetBytes = configured }.BudgetOn(new StageDevice(device, device, "1", 4000)).ShouldBe(expected);
}
