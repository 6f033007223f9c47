using Mesh.Hosting.Configuration;
using Mesh.Hosting.Devices;
using Mesh.Testing;

namespace Mesh.Hosting.Tests.Devices;

public sealed class DevicePinTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("cpu", 2, "cpu")]
    [InlineData("auto", 0, "cpu")]
    [InlineData("auto", 2, "cuda:0")]
    [InlineData("cuda:1", 2, "cuda:1")]
    public void Take_DeviceIsThere_PinsIt(string name, int count, string expected)
    {
        using var pin = Take(name, count: count);

        pin.Name.ShouldBe(expected);
    }

    [Theory]
    [InlineData("cuda:3", 0, "Mesh:Device:Name: cuda:3 does not exist; this machine has cpu")]
    [InlineData("cuda:3", 3, "Mesh:Device:Name: cuda:3 does not exist; this machine has cpu, cuda:0, cuda:1, cuda:2")]
    [InlineData("gpu", 1, "Mesh:Device:Name: gpu does not exist; this machine has cpu, cuda:0")]
    public void Take_DeviceIsNotThere_SaysWhatThereIs(string name, int count, string fault) =>
        Should.Throw<ConfigurationException>(() => Take(name, count: count)).Faults.ShouldBe([fault]);

    [Fact]
    public async Task PinDevice_ServiceIsGone_LetsGo()
    {
        var settings = new Dictionary<string, string?> { ["Mesh:Device:Name"] = "cuda:0", ["Mesh:Device:LockFolder"] = _folder.Path };
        string? name = null;
        await using (var app = ProbeApp.Create([], settings, configure: builder => name = builder.PinDevice(["cuda:0"])))
        {
            await app.StartAsync().DefaultTimeout();
            Should.Throw<ConfigurationException>(() => Take("cuda:0")).Message.ShouldContain("in use by probe (process ");
            await app.StopAsync().DefaultTimeout();
        }

        name.ShouldBe("cuda:0");
        Take("cuda:0").Dispose();
    }

    [Fact]
    public void Take_CpuTwice_IsShared()
    {
        using var first = Take("cpu");
        using var second = Take("cpu");

        second.Name.ShouldBe("cpu");
    }

    [Fact]
    public void Take_AutoAgain_TakesTheNextAndThenRefuses()
    {
        using var first = Take("auto");
        using var second = Take("auto");

        second.Name.ShouldBe("cuda:1");
        Should.Throw<ConfigurationException>(() => Take("auto")).Message.ShouldContain("cuda:1 by test (process ");
    }

    [Theory]
    [InlineData(true, true, true)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, false)]
    public void Take_SameDeviceTwice_WorksOnlyWhereBothShare(bool first, bool second, bool works)
    {
        using var held = Take("cuda:0", shared: first);

        if (works) Take("cuda:0", shared: second).Dispose();
        else Should.Throw<ConfigurationException>(() => Take("cuda:0", shared: second)).Message.ShouldContain("cuda:0 is in use by test (process ");
    }

    [Fact]
    public async Task Take_AnotherProcessHasIt_RefusesUntilThatOneIsKilled()
    {
        await using var holder = Program.Start(null, Program.Hold, "cuda:1", _folder.Path, "alone");
        (await holder.ReadLineAsync()).ShouldBe("cuda:1");
        Should.Throw<ConfigurationException>(() => Take("cuda:1")).Message.ShouldContain($"in use by holder (process {holder.Id})");

        holder.Kill();
        await holder.WaitForExitAsync();

        using var pin = Take("cuda:1");
        await using var late = Program.Start(null, Program.Hold, "cuda:1", _folder.Path, "shared");
        (await late.ReadLineAsync()).ShouldContain($"in use by test (process {Environment.ProcessId})");
    }

    private DevicePin Take(string name, bool shared = false, int count = 2) =>
        DevicePin.Take(new DeviceOptions { Name = name, AllowShared = shared, LockFolder = _folder.Path }, "test", ProbeApp.CudaDevices(count));
}
