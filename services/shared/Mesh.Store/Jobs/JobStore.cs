using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace Mesh.Store.Jobs;

/// <summary>
/// Jobs in Redis, for any number of those who submit and those who work: streams hold ids by priority, a hash holds each job, a stream its events.
/// A worker has a job for as long as it renews its lease; where it falls silent another is given the job, with a higher token, and the first can
/// write no more. Needs Redis 6.2 or newer, with <c>noeviction</c> and an append-only file. Safe for use from several threads.
/// </summary>
public sealed partial class JobStore
{
    private const string MissingScript = "NOSCRIPT";

    private readonly RedisLink _link;
    private readonly JobQueueOptions _options;

    /// <param name="link">The server.</param>
    /// <param name="options">Limits and times.</param>
    public JobStore(RedisLink link, JobQueueOptions options)
    {
        ArgumentNullException.ThrowIfNull(link);
        ArgumentNullException.ThrowIfNull(options);
        (_link, _options) = (link, options);
        Signals = new JobSignals(link, options.Prefix + "nudge");
    }

    /// <summary>How the queue is kept.</summary>
    public JobQueueOptions Options => _options;

    /// <summary>Tells of changes as they happen, where the server can be heard.</summary>
    public JobSignals Signals { get; }

    /// <summary>Puts a job into the queue, or finds the one that the same request made.</summary>
    /// <exception cref="JobRefusedException">There is no room, or the request id stands for another job.</exception>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public async Task<Submission> SubmitAsync(NewJob job, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        var id = NewId();
        RedisValue[] values =
        [
            id, job.Caller, job.RequestId ?? "", Fingerprint(job), job.Kind, job.Title, job.Body, Name(job.Priority), _options.MaxQueued, _options.MaxPerCaller,
            (long)_options.KeepRequests.TotalSeconds, .. job.Shards.Select(x => (RedisValue)x),
        ];
        var answer = (RedisValue[])(await RunAsync(JobScripts.Submit, cancel, values).ConfigureAwait(false))!;
        return (string)answer[0]! switch
        {
            "made" => new Submission((string)answer[1]!, Existed: false),
            "existed" => new Submission((string)answer[1]!, Existed: true),
            "full" => throw new JobRefusedException(JobRefusal.QueueFull, $"The queue holds {(long)answer[1]} jobs; {_options.MaxQueued} is the most."),
            "quota" => throw new JobRefusedException(JobRefusal.QuotaExceeded, $"{(long)answer[1]} jobs of this caller are not over; {_options.MaxPerCaller} is the most."),
            _ => throw new JobRefusedException(JobRefusal.RequestIdReused, $"The request id '{job.RequestId}' stands for the job {answer[1]}, which is another one."),
        };
    }

    /// <summary>A job as it is now; null: it is not known, or not any more.</summary>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public async Task<JobRecord?> GetAsync(string id, CancellationToken cancel = default)
    {
        var fields = await GuardAsync(x => x.HashGetAllAsync(Key("job:" + id)), cancel).ConfigureAwait(false);
        return fields.Length == 0 ? null : JobWire.Read(fields.ToDictionary(x => (string)x.Name!, x => x.Value, StringComparer.Ordinal));
    }

    /// <summary>Jobs, the newest first; parts of jobs are not among them.</summary>
    /// <param name="before">The previous page's end; null for the newest.</param>
    /// <param name="most">Of the page; it may be shorter although there are more.</param>
    /// <param name="states">Those in any of these; none: all.</param>
    /// <param name="kind">Those of this kind; null: all.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public async Task<JobPage> ListAsync(string? before, int most, IReadOnlyCollection<JobState> states, string? kind, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(states);
        var wanted = states.Count == 0 ? "" : $",{string.Join(',', states.Select(JobWire.Name))},";
        var answer = (RedisResult[])(await RunAsync(JobScripts.List, cancel, before ?? "", most, wanted, kind ?? "").ConfigureAwait(false))!;
        var next = (string)answer[0]!;
        return new JobPage([.. ((RedisResult[])answer[1]!).Select(JobWire.Read)], next.Length == 0 ? null : next);
    }

    /// <summary>Ends a job: at once where no worker has it, else as soon as its worker has stopped. Does nothing to one that is over.</summary>
    /// <returns>The job as it is now; null: it is not known.</returns>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task<JobRecord?> CancelAsync(string id, CancellationToken cancel = default) => ChangeAsync(JobScripts.Stop, id, cancel, "cancel");

    /// <summary>Takes a job out of the queue: at once where no worker has it, else as soon as its worker has stopped. Does nothing to one that is over.</summary>
    /// <returns>The job as it is now; null: it is not known.</returns>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task<JobRecord?> PauseAsync(string id, CancellationToken cancel = default) => ChangeAsync(JobScripts.Stop, id, cancel, "pause");

    /// <summary>Puts a paused job back at the end of the queue. Does nothing to others.</summary>
    /// <returns>The job as it is now; null: it is not known.</returns>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task<JobRecord?> ResumeAsync(string id, CancellationToken cancel = default) => ChangeAsync(JobScripts.Resume, id, cancel);

    /// <summary>Events of a job in their order.</summary>
    /// <param name="id">The job's.</param>
    /// <param name="first">The number of the first that is wanted; those that are kept no more are passed over.</param>
    /// <param name="most">At most so many.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public async Task<IReadOnlyList<JobEvent>> EventsAsync(string id, long first, int most, CancellationToken cancel = default)
    {
        var from = string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, first)}-0");
        var answer = await GuardAsync(x => x.ExecuteAsync("XRANGE", (RedisKey)Key("events:" + id), from, "+", "COUNT", most), cancel).ConfigureAwait(false);
        return [.. ((RedisResult[])answer!).Select(JobWire.ReadEvent)];
    }

    /// <summary>Jobs that wait or run, parts of jobs each by itself.</summary>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public async Task<long> DepthAsync(CancellationToken cancel = default)
    {
        long depth = 0;
        foreach (var priority in Enum.GetValues<JobPriority>())
            depth += (long)await GuardAsync(x => x.ExecuteAsync("XLEN", (RedisKey)Key("queue:" + Name(priority))), cancel).ConfigureAwait(false);
        return depth;
    }

    /// <summary>Ids in the order of time, so that lists need no other order.</summary>
    private static string NewId() =>
        string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow.ToUnixTimeMilliseconds():x12}{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(5))}");

    private static string Fingerprint(NewJob job) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\0', [job.Kind, job.Body, job.Title, Name(job.Priority), .. job.Shards]))));

    private static string Name(JobPriority priority) => JobWire.Name(priority);

    private string Key(string name) => _options.Prefix + name;

    private async Task<JobRecord?> ChangeAsync(string script, string id, CancellationToken cancel, params RedisValue[] more)
    {
        await RunAsync(script, cancel, [id, .. more]).ConfigureAwait(false);
        return await GetAsync(id, cancel).ConfigureAwait(false);
    }

    private async Task<RedisResult> RunAsync(string script, CancellationToken cancel, params RedisValue[] values)
    {
        RedisKey[] keys = [Key("index")];
        RedisValue[] all = [_options.Prefix, _options.MaxEvents, (long)_options.KeepFinished.TotalSeconds, .. values];
        return await GuardAsync(
            async database =>
            {
                try
                {
                    return await database.ScriptEvaluateAsync(script, keys, all).ConfigureAwait(false);
                }
                catch (RedisServerException e) when (e.Message.StartsWith(MissingScript, StringComparison.Ordinal))
                {
                    // The server was started anew since the script was last sent; the client has forgotten it by now and sends it again.
                    return await database.ScriptEvaluateAsync(script, keys, all).ConfigureAwait(false);
                }
            },
            cancel).ConfigureAwait(false);
    }

    private async Task<T> GuardAsync<T>(Func<IDatabase, Task<T>> command, CancellationToken cancel)
    {
        try
        {
            var database = await _link.DatabaseAsync(cancel).WaitAsync(_options.Timeout, cancel).ConfigureAwait(false);
            return await command(database).WaitAsync(_options.Timeout, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (IsAway(e))
        {
            throw new QueueUnavailableException($"The queue's Redis does not answer: {e.Message}", e);
        }
    }

    /// <summary>Whether the server was not reached, or is about to be there: a fault that a script tells of is a bug and passes through.</summary>
    private static bool IsAway(Exception fault) => fault is TimeoutException or RedisConnectionException or ObjectDisposedException
        || (fault is RedisServerException server && (server.Message.StartsWith("LOADING", StringComparison.Ordinal) || server.Message.StartsWith("MASTERDOWN", StringComparison.Ordinal)
            || server.Message.StartsWith("READONLY", StringComparison.Ordinal) || server.Message.StartsWith("MISCONF", StringComparison.Ordinal)))
        || fault.GetType() == typeof(RedisException);
}
