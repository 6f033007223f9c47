using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Mesh.Cli.Serving;
using Mesh.Cli.Up;
using Mesh.Client;
using Mesh.Models.Recipes;

namespace Mesh.Cli.Bench.Serve;

/// <summary><c>mesh bench serve</c>: runs a mesh of its own and measures what it costs, bears and hides.</summary>
internal sealed class ServeCommand(ServeOptions options, ParseResult words, Action<string> tell)
{
    private readonly ServeReport _report = new();
    private readonly TimeSpan _duration = TimeSpan.FromSeconds(words.GetRequiredValue(options.Seconds));

    public static Command Create()
    {
        var options = new ServeOptions();
        var command = new Command("serve", "Run a mesh on this machine and measure it: overhead over one process, throughput, latency at a rate, cache.");
        options.AddTo(command);
        command.SetAction(async (words, cancel) =>
        {
            var error = words.InvocationConfiguration.Error;
            var run = new ServeCommand(options, words, line => error.WriteLine($"mesh: {line}"));
            await run.MeasureAsync(cancel);
            run._report.Write(Terminal.Over(words.InvocationConfiguration.Output));
            if (words.GetValue(options.Json) is { } file) await File.WriteAllTextAsync(file, run._report.ToJson(), cancel);
            return ExitCode.Done;
        });
        return command;
    }

    private async Task MeasureAsync(CancellationToken cancel)
    {
        if (words.GetValue(options.Runs) < 1) throw new ArgumentException($"{options.Runs.Name} {words.GetValue(options.Runs)}: at least 1 is needed");
        if (_duration <= TimeSpan.Zero) throw new ArgumentException($"{options.Seconds.Name}: more than 0 is needed");
        var callers = ServeOptions.Counts(words, options.Callers);
        var batches = ServeOptions.Counts(words, options.Batches);
        var rates = ServeOptions.Numbers(words, options.Rates);
        var model = UpOptions.ReadModel(words.GetValue(options.Model), options.Model.Name);
        var scratch = Directory.CreateTempSubdirectory("mesh-");
        try
        {
            if (ServeOptions.Parts.Where(x => x != "batch").Any(x => options.Wants(words, x)))
                await WithMeshAsync(scratch.FullName, model, null, (mesh, load) => MeasureAsync(mesh, load, model.Path, callers, rates, cancel), cancel);
            foreach (var batch in options.Wants(words, "batch") ? batches : [])
                await WithMeshAsync(scratch.FullName, model, batch, async (_, load) => _report.Batch.Add(await ClosedAsync(load, $"batches up to {batch}", callers.Max(), load.NewPrompt, cancel)), cancel);
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    private async Task MeasureAsync(MeshClient mesh, Load load, string folder, IReadOnlyList<int> callers, IReadOnlyList<double> rates, CancellationToken cancel)
    {
        if (options.Wants(words, "overhead"))
        {
            tell("overhead");
            _report.Overhead = await Overhead.MeasureAsync(ModelDescription.Open(folder), mesh, null, words.GetRequiredValue(options.Runs), load.NewPrompt, cancel);
        }
        if (options.Wants(words, "concurrency"))
        {
            foreach (var n in callers) _report.Concurrency.Add(await ClosedAsync(load, $"{n} callers", n, load.NewPrompt, cancel));
        }
        if (options.Wants(words, "cache"))
        {
            foreach (var n in new[] { 1, callers.Max() }.Distinct())
            {
                _report.Cache.Add(await ClosedAsync(load, $"{n} callers, new prompts", n, load.NewPrompt, cancel));
                _report.Cache.Add(await ClosedAsync(load, $"{n} callers, known prompts", n, load.KnownPrompt, cancel));
            }
        }
        if (!options.Wants(words, "open-loop")) return;
        var peak = _report.Concurrency.Count > 0
            ? _report.Concurrency.Max(x => x.ImagesPerSecond)
            : (await ClosedAsync(load, "peak", callers.Max(), load.NewPrompt, cancel)).ImagesPerSecond;
        foreach (var share in rates)
        {
            var rate = share * peak;
            var name = string.Create(CultureInfo.InvariantCulture, $"{share:0.##} of the peak, {rate:0.0}/s");
            tell(name);
            if (rate > 0) _report.OpenLoop.Add(await load.OpenAsync(name, rate, _duration, load.NewPrompt, cancel));
        }
    }

    private Task<LoadResult> ClosedAsync(Load load, string name, int callers, Func<string> prompt, CancellationToken cancel)
    {
        tell(name);
        return load.ClosedAsync(name, callers, _duration, prompt, cancel);
    }

    /// <summary>Starts a mesh on free ports, asks it once, and measures.</summary>
    private async Task WithMeshAsync(string scratch, (string Id, string Path) model, int? batch, Func<MeshClient, Load, Task> measure, CancellationToken cancel)
    {
        var wishes = new MeshWishes
        {
            Grpc = FreePlace(),
            Http = FreePlace(),
            Models = [model],
            OneProcess = words.GetValue(options.OneProcess),
            Settings = [.. (words.GetValue(options.Set) ?? []).Select(x => UpOptions.ReadPair(x, options.Set.Name)), .. batch is { } most ? [("Batching:MaxBatch", $"{most}")] : Array.Empty<(string, string)>()],
        };
        using var folder = RunFolder.Take(Path.Combine(scratch, "run"));
        await using var running = await RunningMesh.StartAsync(wishes, ConfigFile.Read(null), folder, ServicePrograms.Beside(words.GetValue(options.Services)), null, tell, cancel);
        running.Reach.Retries = 0;
        using var mesh = new MeshClient(running.Reach);
        var first = (await mesh.GenerateImagesAsync(new GenerationRequest("3d emoji of a red apple"), cancel))[0];
        (_report.Model, _report.Build, _report.DeviceKind, _report.Numerics) = (first.Model.Id, first.Build, first.DeviceKind, first.Numerics);
        await measure(mesh, new Load(mesh, null));
    }

    private static ListenPlace FreePlace()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return new ListenPlace(IPAddress.Loopback, ((IPEndPoint)probe.LocalEndpoint).Port);
    }
}
