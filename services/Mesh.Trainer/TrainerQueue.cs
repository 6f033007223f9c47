using Mesh.Hosting.Faults;
using Mesh.Store;
using Mesh.Store.Jobs;
using Microsoft.Extensions.Options;

namespace Mesh.Trainer;

/// <summary>The queue that this trainer answers for; none where no Redis is configured.</summary>
internal sealed class TrainerQueue : IAsyncDisposable
{
    private static readonly TimeSpan ComeAgain = TimeSpan.FromSeconds(5);

    private readonly RedisLink? _link;

    public TrainerQueue(IOptions<TrainerOptions> options, ILogger<TrainerQueue> logger)
    {
        if (options.Value.Redis is not { } connection)
        {
            TrainerLog.NoRedis(logger);
            return;
        }
        _link = new(connection);
        Queue = new(_link, options.Value.ToQueueOptions());
    }

    /// <summary>Null where there is none.</summary>
    public JobStore? Queue { get; }

    /// <summary>Asks the queue something for a caller.</summary>
    /// <exception cref="MeshException">UNAVAILABLE: there is no queue, or it does not answer.</exception>
    public async Task<T> AskAsync<T>(Func<JobStore, Task<T>> ask)
    {
        if (Queue is null) throw MeshException.Unavailable("QUEUE_NOT_CONFIGURED", "This trainer has no queue: set Mesh:Trainer:Redis to a Redis server.");
        try
        {
            return await ask(Queue).ConfigureAwait(false);
        }
        catch (QueueUnavailableException e)
        {
            throw MeshException.Unavailable("QUEUE_UNAVAILABLE", e.Message, ComeAgain);
        }
    }

    /// <summary>A job that a caller names.</summary>
    /// <exception cref="MeshException">NOT_FOUND, INVALID_ARGUMENT for no id, UNAVAILABLE.</exception>
    public async Task<JobRecord> RequireAsync(string id, CancellationToken cancel, string field = "id") =>
        id.Length == 0 ? throw MeshException.InvalidArgument(field, "is required")
        : await AskAsync(x => x.GetAsync(id, cancel)).ConfigureAwait(false) ?? throw MeshException.NotFound("job", id);

    public ValueTask DisposeAsync() => _link?.DisposeAsync() ?? ValueTask.CompletedTask;
}
