using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>Runs while no other test does, because it measures the process's memory.</summary>
[CollectionDefinition(nameof(LeakTests), DisableParallelization = true)]
[Collection(nameof(LeakTests))]
public sealed class LeakTests
{
    [Fact]
    public async Task ManyCalls_OfEveryKind_LeaveNothingBehind()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        await RunAsync(client, 300);
        var before = Settled();
        await RunAsync(client, 6000);
        // A call that stayed would hold a kilobyte at least; six thousand of them could not hide below this.
        (Settled() - before).ShouldBeLessThan(3_000_000);
    }

    private static async Task RunAsync(TestService.TestServiceClient client, int count)
    {
        for (var i = 0; i < count; i += 3)
        {
            await client.UnaryAsync(new TestRequest { Text = "x" }).ResponseAsync.DefaultTimeout();
            await client.UnaryAsync(new TestRequest { Status = (int)StatusCode.NotFound }, deadline: DateTime.UtcNow.AddHours(1))
                .ResponseAsync.ShouldFailAsync(StatusCode.NotFound);
            using var source = new CancellationTokenSource();
            using var call = client.ServerStream(new TestRequest { Count = 1000 }, cancellationToken: source.Token);
            await call.ResponseStream.NextAsync();
        }
    }

    private static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return GC.GetTotalMemory(forceFullCollection: true);
    }
}
