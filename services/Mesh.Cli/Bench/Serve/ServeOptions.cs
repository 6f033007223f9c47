using System.CommandLine;
using System.Globalization;

namespace Mesh.Cli.Bench.Serve;

/// <summary>The words of <c>mesh bench serve</c>.</summary>
internal sealed class ServeOptions
{
    /// <summary>What can be measured, in this order.</summary>
    public static IReadOnlyList<string> Parts { get; } = ["overhead", "concurrency", "cache", "open-loop", "batch"];

    public Argument<string[]> Only { get; } = new("parts") { Arity = ArgumentArity.ZeroOrMore, Description = $"What to measure: {string.Join(", ", Parts)}. None: all." };

    public Option<string?> Model { get; } = new("--model") { Description = "A model folder, ID=FOLDER or FOLDER. Default: the built-in model." };

    public Option<double> Seconds { get; } = new("--seconds") { Description = "How long each load lasts.", DefaultValueFactory = _ => 10 };

    public Option<int> Runs { get; } = new("--runs") { Description = "Requests that the overhead is the median of.", DefaultValueFactory = _ => 50 };

    public Option<string> Callers { get; } = new("--callers") { Description = "Numbers of callers.", DefaultValueFactory = _ => "1,2,4,8,16" };

    public Option<string> Batches { get; } = new("--batches") { Description = "Largest batches; each starts the mesh again.", DefaultValueFactory = _ => "1,2,4,8" };

    public Option<string> Rates { get; } = new("--rates") { Description = "Shares of the peak throughput at which requests come.", DefaultValueFactory = _ => "0.25,0.5,0.75,0.9" };

    public Option<bool> OneProcess { get; } = new("--one-process") { Description = "All services in one process." };

    public Option<string[]> Set { get; } = new("--set") { Description = "A setting of the services, such as Device:Type=bfloat16. May stand several times.", DefaultValueFactory = _ => [] };

    public Option<string?> Json { get; } = new("--json") { Description = "Also write the numbers to this file." };

    public Option<string?> Services { get; } = new("--services") { Description = "Where the services' programs lie, when not beside this one." };

    public void AddTo(Command command)
    {
        Only.AcceptOnlyFromAmong([.. Parts]);
        command.Arguments.Add(Only);
        foreach (var option in new Option[] { Model, Seconds, Runs, Callers, Batches, Rates, OneProcess, Set, Json, Services }) command.Options.Add(option);
    }

    public bool Wants(ParseResult words, string part) => words.GetValue(Only) is not { Length: > 0 } some || some.Contains(part);

    /// <exception cref="ArgumentException">A number is none, or too small.</exception>
    public static IReadOnlyList<int> Counts(ParseResult words, Option<string> option) => [.. Numbers(words, option).Select(x => x >= 1 ? (int)x : throw Bad(words, option))];

    /// <exception cref="ArgumentException">A number is none, or not positive.</exception>
    public static IReadOnlyList<double> Numbers(ParseResult words, Option<string> option) =>
        [.. words.GetRequiredValue(option).Split(',').Select(x => double.TryParse(x, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var n) && n > 0 ? n : throw Bad(words, option))];

    private static ArgumentException Bad(ParseResult words, Option<string> option) => new($"{option.Name} {words.GetValue(option)}: write positive numbers with commas between them");
}
