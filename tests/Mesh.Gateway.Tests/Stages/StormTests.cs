using System.Collections.Concurrent;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Faults;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Gateway.Tests.Stages;

public sealed class StormTests
{
    private const int Calls = 250;
    private const int AtOnce = 12;

    [Fact]
    public async Task Storm_CancelsDeadlinesRefusalsAndDeaths_LeaveNothingAndNoWrongPicture()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2, settings: [("Mesh:Stages:Wait", "00:00:05"), ("Mesh:Gateway:MaxInFlight", "10"), ("Mesh:Gateway:MaxConcurrent", "2")]);
        // A caller that leaves before its request was read is logged so by gRPC itself.
        mesh.Gateway.Logs.Expect<IOException>();
        var expected = new byte[8][];
        for (var i = 0; i < expected.Length; i++) expected[i] = (await mesh.Images.DrawAsync(Request(i))).File();
        var (outcomes, refusals) = (new ConcurrentBag<string>(), new ConcurrentBag<TimeSpan>());
        var next = 0;
        async Task CallAsync(int worker)
        {
            var random = new Random(worker);
            for (int i; (i = Interlocked.Increment(ref next)) <= Calls;) outcomes.Add(await OneAsync(mesh, random, i, expected[i % expected.Length], refusals));
        }

        var workers = Enumerable.Range(0, AtOnce).Select(CallAsync).ToList();
        while (!workers.All(x => x.IsCompleted))
        {
            await FakeCalls.UntilAsync(() => Volatile.Read(ref next) % 100 > 50 || workers.All(x => x.IsCompleted));
            await mesh.Generators[1].KillAsync();
            await mesh.Generators[1].StartAsync();
            await FakeCalls.UntilAsync(() => Volatile.Read(ref next) % 100 <= 50 || workers.All(x => x.IsCompleted));
        }
        await Task.WhenAll(workers);

        outcomes.Count.ShouldBe(Calls);
        outcomes.ShouldNotContain(x => x.StartsWith("wrong", StringComparison.Ordinal), string.Join(", ", outcomes.Distinct()));
        outcomes.Count(x => x == "drawn").ShouldBeGreaterThan(Calls / 4, string.Join(", ", outcomes.GroupBy(x => x).Select(x => $"{x.Key} {x.Count()}")));
        refusals.ShouldNotBeEmpty();
        var admission = mesh.Gateway.Services.GetRequiredService<CallAdmission>();
        await FakeCalls.UntilAsync(async () => admission.Out == 0 && await mesh.Gateway.StatusAsync() is { Calls: 0 } status && status.Replicas.All(x => x.InFlight == 0));
        (await mesh.Images.DrawAsync(Request(3))).File().ShouldBe(expected[3]);
    }

    private static GenerateRequest Request(int i) => new() { Prompt = $"apple {i % 8}", Seeds = { (ulong)(i % 8) } };

    private static async Task<string> OneAsync(FakeMesh mesh, Random random, int i, byte[] expected, ConcurrentBag<TimeSpan> refusals)
    {
        using var cancel = new CancellationTokenSource();
        var kind = random.Next(4);
        if (kind == 0) cancel.CancelAfter(random.Next(20));
        DateTime? deadline = kind == 1 ? DateTime.UtcNow.AddMilliseconds(random.Next(1, 30)) : null;
        try
        {
            using var call = mesh.Images.Generate(Request(i), deadline: deadline, cancellationToken: cancel.Token);
            var drawn = await call.ReadAsync();
            if (drawn.Failed is [var failed]) return failed.Status.Code == (int)StatusCode.Unavailable ? "lost" : $"wrong: {failed.Status}";
            return drawn.File().AsSpan().SequenceEqual(expected) ? "drawn" : "wrong picture";
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
        {
            // Comes again when it was told to.
            var retry = e.ToStatus().Detail<Google.Rpc.RetryInfo>()!.RetryDelay.ToTimeSpan();
            refusals.Add(retry);
            await Task.Delay(retry);
            return await OneAsync(mesh, random, i, expected, refusals);
        }
        catch (RpcException e)
        {
            var meant = e.StatusCode switch
            {
                StatusCode.Cancelled => kind == 0,
                StatusCode.DeadlineExceeded => kind == 1,
                _ => false,
            };
            return meant ? e.StatusCode.ToString() : $"wrong: {e.Status}";
        }
    }
}
