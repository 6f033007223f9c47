using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.FunctionalTests.Requests;
using Mesh.Testing;
using Xunit.Abstractions;

namespace Mesh.FunctionalTests.Soak;

/// <summary>
/// Open-loop load on a mesh of processes, with callers that leave, have little time, or whose connection breaks: nothing leaks, and no picture is
/// another's. It runs for 15 s; <c>MESH_SOAK_SECONDS</c> says otherwise.
/// </summary>
public sealed class SoakTests(ITestOutputHelper output)
{
    private const double CallsPerSecond = 8;
    private const int Pictures = 12;

    // Of a process that has been busy for a while: its heap breathes by about that much between collections.
    private const long MemorySlackKib = 64 * 1024;
    private const int HandleSlack = 16;

    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, int> _outcomes = new();
    private readonly Dictionary<ulong, byte[]> _expected = [];

    [Fact]
    public async Task Load_WithCancelsDeadlinesAndBrokenConnections_LeavesNothingAndMixesNothingUp()
    {
        var length = TimeSpan.FromSeconds(double.Parse(Environment.GetEnvironmentVariable("MESH_SOAK_SECONDS") ?? "15", CultureInfo.InvariantCulture));
        await using var redis = await RedisServer.StartAsync();
        await using var mesh = await ProcessMesh.StartAsync(new MeshLayout
        {
            Settings = [.. TinyModels.FlowSettings, .. TinyModels.UpsamplerSettings],
            OwnSettings = new Dictionary<string, IReadOnlyList<(string Key, string? Value)>>
            {
                ["gateway"] = [("Mesh:Redis:Cache", redis.Connection), ("Mesh:Gateway:LocalCacheBytes", "0"), ("Mesh:Gateway:ReplayMinutes", "0")],
            },
            Replicas = new Dictionary<string, int> { ["generator"] = 2 },
        });
        for (var seed = 0UL; seed < Pictures; seed++) _expected[seed] = (await mesh.Front.Images.DrawAsync(Request(seed))).File();

        // The first load fills pools and compiles; what is held after it is the start.
        await LoadAsync(mesh, Settle);
        var before = await MeasureAsync(mesh);
        _outcomes.Clear();
        await LoadAsync(mesh, length);
        var after = await MeasureAsync(mesh);

        output.WriteLine(string.Join(", ", _outcomes.OrderBy(x => x.Key).Select(x => $"{x.Key}: {x.Value}")));
        foreach (var (name, start) in before) output.WriteLine($"{name}: {start} -> {after[name]}");
        _outcomes.GetValueOrDefault("drawn").ShouldBeGreaterThan(0);
        foreach (var (name, start) in before)
        {
            after[name].Handles.ShouldBeLessThanOrEqualTo(start.Handles + HandleSlack, name);
            after[name].MemoryKib.ShouldBeLessThanOrEqualTo(start.MemoryKib + (start.MemoryKib / 4) + MemorySlackKib, name);
        }
        foreach (var (seed, file) in _expected) (await mesh.Front.Images.DrawAsync(Request(seed))).File().ShouldBe(file);
    }

    private static GenerateRequest Request(ulong seed)
    {
        var request = FlowMesh.Plain($"picture {seed}");
        request.Seeds[0] = seed;
        request.Preview = seed % 3 == 0;
        if (seed % 4 == 1) (request.Guidance, request.Steps) = (2, 2);
        if (seed % 4 == 2) request.Loras.Add(new Contracts.Common.V1.Lora { Name = seed % 8 == 2 ? TinyModels.Style : TinyModels.Look, Weight = 1 });
        if (seed == 3) request.Upscale = new() { Blending = TileBlending.None };
        return request;
    }

    /// <summary>Calls come when they come, whether earlier ones are done or not.</summary>
    private async Task LoadAsync(ProcessMesh mesh, TimeSpan length)
    {
        var random = new Random(20);
        var calls = new List<Task>();
        var clock = Stopwatch.StartNew();
        for (var next = 0.0; next < length.TotalSeconds; next += -Math.Log(1 - random.NextDouble()) / CallsPerSecond)
        {
            var wait = TimeSpan.FromSeconds(next) - clock.Elapsed;
            if (wait > TimeSpan.Zero) await Task.Delay(wait);
            calls.RemoveAll(x => x.IsCompletedSuccessfully);
            var (seed, kind, patience) = ((ulong)random.Next(Pictures), random.Next(10), TimeSpan.FromMilliseconds(random.Next(1, 250)));
            calls.Add(kind switch
            {
                < 2 => LeaveAsync(mesh, seed, patience),
                < 4 => HurryAsync(mesh, seed, patience),
                4 => BreakAsync(mesh, seed, patience),
                _ => DrawAsync(mesh.Front.Images, seed, TimeoutExtensions.Default, CancellationToken.None),
            });
        }
        await Task.WhenAll(calls).DefaultTimeout();
    }

    private async Task LeaveAsync(ProcessMesh mesh, ulong seed, TimeSpan patience)
    {
        using var leave = new CancellationTokenSource(patience);
        await DrawAsync(mesh.Front.Images, seed, TimeoutExtensions.Default, leave.Token);
    }

    private Task HurryAsync(ProcessMesh mesh, ulong seed, TimeSpan patience) => DrawAsync(mesh.Front.Images, seed, patience, CancellationToken.None);

    private async Task BreakAsync(ProcessMesh mesh, ulong seed, TimeSpan patience)
    {
        using var channel = mesh.Front.Connect();
        var call = DrawAsync(new ImageService.ImageServiceClient(channel), seed, TimeoutExtensions.Default, CancellationToken.None);
        await Task.WhenAny(call, Task.Delay(patience));
        channel.Dispose();
        await call;
    }

    private async Task DrawAsync(ImageService.ImageServiceClient images, ulong seed, TimeSpan deadline, CancellationToken leave)
    {
        try
        {
            var drawn = await images.DrawAsync(Request(seed), deadline, leave);
            if (drawn.Failures.FirstOrDefault() is { } failed)
            {
                Count((StatusCode)failed.Status.Code);
                return;
            }
            drawn.File().ShouldBe(_expected[seed], $"seed {seed}");
            _outcomes.AddOrUpdate("drawn", 1, (_, x) => x + 1);
        }
        catch (RpcException e)
        {
            Count(e.StatusCode);
        }
    }

    /// <summary>Anything else than what the load itself brings about fails the test.</summary>
    private void Count(StatusCode code)
    {
        code.ShouldBeOneOf(StatusCode.Cancelled, StatusCode.DeadlineExceeded, StatusCode.ResourceExhausted);
        _outcomes.AddOrUpdate(code.ToString(), 1, (_, x) => x + 1);
    }

    /// <summary>Waits until nothing is on its way, and says what each process holds.</summary>
    private static async Task<Dictionary<string, ProcessMeasure>> MeasureAsync(ProcessMesh mesh)
    {
        await mesh.Front.WhenAsync(x => x.Calls == 0 && x.Replicas.All(y => y.InFlight == 0));
        await mesh.Front.WhenNoPermitIsOutAsync();
        var processes = new Dictionary<string, ProcessMeasure> { ["gateway"] = ProcessMeasure.Of(mesh.IdOf("gateway")) };
        foreach (var (stage, replica, name) in mesh.Layout.Processes)
        {
            await mesh.Front.WhenStageAsync(stage, x => x.Waiting == 0 && x.Running == 0, replica);
            processes[name] = ProcessMeasure.Of(mesh.IdOf(stage, replica));
        }
        return processes;
    }
}
