using System.Globalization;
using StackExchange.Redis;

namespace Mesh.Store.Jobs;

/// <summary>Jobs and events as they lie in Redis.</summary>
internal static class JobWire
{
    private static readonly JobState[] States = Enum.GetValues<JobState>();
    private static readonly JobPriority[] Priorities = Enum.GetValues<JobPriority>();

    public static string Name(JobState state) => state.ToString().ToLowerInvariant();

    public static string Name(JobPriority priority) => priority.ToString().ToLowerInvariant();

    public static JobWish ReadWish(string text) => text switch
    {
        "cancel" => JobWish.Cancel,
        "pause" => JobWish.Pause,
        _ => JobWish.None,
    };

    /// <summary>Names and values by turns.</summary>
    public static JobRecord Read(RedisResult fields) => Read(Pairs((RedisValue[])fields!));

    public static JobRecord Read(IReadOnlyDictionary<string, RedisValue> fields)
    {
        string Text(string name) => fields.TryGetValue(name, out var value) ? (string?)value ?? "" : "";
        long Number(string name) => fields.TryGetValue(name, out var value) && value.HasValue ? (long)value : 0;
        DateTimeOffset? Time(string name) => Number(name) is > 0 and var at ? Moment(at) : null;
        var id = Text("id");
        var parts = (int)Number("shards");
        return new JobRecord
        {
            Id = id,
            Kind = Text("kind"),
            Body = Text("body"),
            Caller = Text("caller"),
            Title = Text("title"),
            State = ReadState(Text("state")),
            Priority = Priorities.First(x => Name(x) == Text("priority")),
            Wish = ReadWish(Text("wish")),
            Submitted = Moment(Number("submitted")),
            Started = Time("started"),
            Finished = Time("finished"),
            Deliveries = (int)Number("deliveries"),
            Worker = Text("worker"),
            Error = Text("error"),
            Result = Text("result"),
            Progress = fields.TryGetValue("progress", out var progress) ? (byte[]?)progress : null,
            LastEvent = Number("events"),
            Parent = Text("parent") is { Length: > 0 } parent ? parent : null,
            Shard = parts == 0 ? (int)Number("shard") : 0,
            Shards = [.. Enumerable.Range(0, parts).Select(x => string.Create(CultureInfo.InvariantCulture, $"{id}-{x}"))],
        };
    }

    public static JobEvent ReadEvent(RedisResult entry)
    {
        var parts = (RedisResult[])entry!;
        var number = long.Parse(((string)parts[0]!).Split('-')[0], CultureInfo.InvariantCulture);
        var fields = Pairs((RedisValue[])parts[1]!);
        return new JobEvent(
            number, Moment((long)fields["at"]), fields.TryGetValue("shard", out var shard) ? (int)shard : null,
            fields.TryGetValue("state", out var state) ? ReadState((string)state!) : null,
            fields.TryGetValue("reason", out var reason) ? (string)reason! : "", fields.TryGetValue("worker", out var worker) ? (string)worker! : "",
            fields.TryGetValue("body", out var body) ? (byte[])body! : null);
    }

    private static JobState ReadState(string name) => States.First(x => Name(x) == name);

    private static DateTimeOffset Moment(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    private static Dictionary<string, RedisValue> Pairs(RedisValue[] flat)
    {
        var pairs = new Dictionary<string, RedisValue>(StringComparer.Ordinal);
        for (var i = 0; i + 1 < flat.Length; i += 2) pairs[(string)flat[i]!] = flat[i + 1];
        return pairs;
    }
}
