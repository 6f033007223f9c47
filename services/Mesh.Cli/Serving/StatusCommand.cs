using System.CommandLine;
using System.Globalization;
using Google.Protobuf;
using Mesh.Client;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Stage.V1;
using Spectre.Console;

namespace Mesh.Cli.Serving;

/// <summary><c>mesh status</c>: the gateway and every replica, as they are now.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var connection = new MeshConnection();
        var json = new Option<bool>("--json") { Description = "As JSON, in one line." };
        var command = new Command("status", "Say how a running mesh is: replicas, load, costs, cache.") { json };
        connection.AddTo(command);
        command.SetAction((words, cancel) => connection.UseAsync(words, mesh => ReportAsync(mesh, words.InvocationConfiguration.Output, words.GetValue(json), cancel)));
        return command;
    }

    private static async Task<int> ReportAsync(MeshClient mesh, TextWriter output, bool asJson, CancellationToken cancel)
    {
        var status = await mesh.GetStatusAsync(cancel);
        if (asJson)
        {
            await output.WriteLineAsync(JsonFormatter.Default.Format(status));
            return ExitCode.Done;
        }
        var console = Terminal.Over(output);
        console.Line(Invariant($"build {status.Build}, up {TimeSpan.FromMicroseconds(status.UptimeUs):d\\.hh\\:mm\\:ss}, {status.Calls} calls in flight, embeddings {(status.SharedCache ? "shared through Redis" : "cached in the gateway alone")}"));
        console.Write(Replicas(status));
        console.Write(Costs(status));
        if (status.Ratios.Count > 0)
            console.Line($"busy alike with {string.Join(", ", status.Ratios.Select(x => Invariant($"{x.Replicas:0.##} {x.Stage}")))}");
        return ExitCode.Done;
    }

    private static Table Replicas(GetStatusResponse status)
    {
        var table = new Table().AddColumns("stage", "address", "state", "device", "in flight", "waiting", "done", "failed", "cancelled", "expired", "refused", "busy", "wasted", "in memory");
        foreach (var x in status.Replicas)
        {
            var s = x.Info?.Statistics ?? new StageStatistics();
            string[] row =
            [
                x.Stage, x.Address, State(x.State), x.Info?.Device ?? "", Invariant($"{x.InFlight}"), Invariant($"{s.Waiting}"), Invariant($"{s.Completed}"), Invariant($"{s.Failed}"),
                Invariant($"{s.Cancelled}"), Invariant($"{s.Expired}"), Invariant($"{s.Refused}"), Seconds(s.BusyUs), Seconds(s.WastedUs),
                string.Join(", ", x.Info?.Models.Where(m => m.Loaded).Select(m => Invariant($"{m.Model.Id} {m.MemoryBytes / (double)(1 << 20):0} MiB")) ?? []),
            ];
            table.AddRow([.. row.Select(Markup.Escape)]);
        }
        return table;
    }

    private static Table Costs(GetStatusResponse status)
    {
        var table = new Table().AddColumns("stage", "address", "a batch costs", "at most");
        foreach (var x in status.Replicas.Where(x => x.Info?.Costs.Count > 0))
        {
            var costs = x.Info.Costs.Select(c => Invariant($"{c.BatchSize}: {c.ComputeUs / 1000.0:0.#} ms"));
            table.AddRow(Markup.Escape(x.Stage), Markup.Escape(x.Address), string.Join(", ", costs), Invariant($"{x.Info.CapacityPerS:0.#} a second"));
        }
        return table;
    }

    private static string State(ReplicaState state) => state switch
    {
        ReplicaState.Serving => "serving",
        ReplicaState.NotServing => "not serving",
        ReplicaState.Unreachable => "unreachable",
        _ => "unknown",
    };

    private static string Seconds(long microseconds) => Invariant($"{microseconds / 1e6:0.0} s");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
