using System.Globalization;
using System.Text.Json;
using Mesh.Testing;

namespace Mesh.Benchmarks.Grpc;

/// <summary>
/// `load [SECONDS] [ROUNDS] [SCENARIO...]`: calls and bytes a second, ours to ours beside @grpc/grpc-js to itself and grpcio to itself.
/// Server and client are processes of their own on the same cores; the sides take turns in each round, and the median round counts.
/// </summary>
internal static class LoadCommand
{
    private static readonly Scenario[] Scenarios =
    [
        new("unary", 64, 0, "calls/s"),
        new("stream", 4, 0, "messages/s"),
        new("payload_64k", 16, 2 * 64 * 1024, "MB/s"),
        new("payload_1m", 4, 2 * 1024 * 1024, "MB/s"),
    ];

    // Payloads are garbage at once: the collector shall treat those of a few megabytes as such, and not collect everything for each.
    private static readonly Dictionary<string, string> Collector = new() { ["DOTNET_GCLOHThreshold"] = "0x1000000", ["DOTNET_GCgen0size"] = "0x10000000" };

    private static readonly Side[] Sides =
    [
        new("ours", arguments => Task.FromResult(StartOurs(arguments))),
        new("grpc-js", arguments => InteropProgram.StartAsync(Language.Node, "load", arguments)),
        new("grpcio", arguments => InteropProgram.StartAsync(Language.Python, "load", arguments)),
    ];

    /// <param name="args">Seconds to measure (default 4, after half as long to warm up), rounds (default 3), names of scenarios (default all).</param>
    public static async Task<int> RunAsync(string[] args)
    {
        var seconds = args.Length > 0 ? double.Parse(args[0], CultureInfo.InvariantCulture) : 4;
        var rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 3;
        Console.WriteLine($"{Environment.ProcessorCount} cores, .NET {Environment.Version}, {rounds} rounds of {seconds} s, payload bytes counted both ways");
        Console.WriteLine($"{"",-12} {"at once",7} {"unit",-11} {string.Concat(Sides.Select(side => $"{side.Name,12}"))} {"ours / best of theirs",22}");
        var wanted = args.Skip(2).ToHashSet();
        foreach (var scenario in Scenarios.Where(scenario => wanted.Count == 0 || wanted.Contains(scenario.Name)))
        {
            var rates = Sides.ToDictionary(side => side, _ => new List<double>());
            for (var round = 0; round < rounds; round++)
            {
                foreach (var side in Sides)
                    rates[side].Add(await MeasureAsync(side, scenario, seconds));
            }
            Print(scenario, [.. Sides.Select(side => Median(rates[side]))]);
        }
        return 0;
    }

    private static void Print(Scenario scenario, double[] rates)
    {
        var columns = string.Concat(rates.Select(rate => $"{rate,12:N0}"));
        Console.WriteLine($"{scenario.Name,-12} {scenario.Concurrency,7} {scenario.Unit,-11} {columns} {rates[0] / rates.Skip(1).Max(),22:F2}");
    }

    private static async Task<double> MeasureAsync(Side side, Scenario scenario, double seconds)
    {
        await using var server = await side.Start(["server"]);
        var port = JsonSerializer.Deserialize<Dictionary<string, int>>(await server.ReadLineAsync())!["plain"];
        string[] arguments =
        [
            "client", port.ToString(CultureInfo.InvariantCulture), scenario.Name,
            seconds.ToString(CultureInfo.InvariantCulture), scenario.Concurrency.ToString(CultureInfo.InvariantCulture),
        ];
        await using var client = await side.Start(arguments);
        var result = JsonSerializer.Deserialize<Result>(await client.ReadLineAsync(), JsonSerializerOptions.Web)!;
        var rate = result.Count / result.Seconds;
        return scenario.BytesPerReply == 0 ? rate : rate * scenario.BytesPerReply / 1e6;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static ChildProgram StartOurs(string[] arguments)
    {
        // This program runs as one of its own name, or as an argument of dotnet.
        var program = Environment.ProcessPath!;
        string[] own = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(LoadCommand).Assembly.Location] : [];
        return ChildProgram.Start(program, [.. own, "load-" + arguments[0], .. arguments[1..]], null, Collector);
    }

    private sealed record Scenario(string Name, int Concurrency, long BytesPerReply, string Unit);

    private sealed record Side(string Name, Func<string[], Task<ChildProgram>> Start);

    private sealed record Result(long Count, double Seconds);
}
