using Google.Protobuf;
using Grpc.Core;
using Mesh.Contracts.Trainer.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Health;

namespace Mesh.Trainer.Jobs;

/// <summary>Follows a job's events for one who watches.</summary>
internal sealed class JobWatch(TrainerQueue queue, TrainerFolders folders, Drain drain)
{
    private const int AtOnce = 200;
    private const int ChunkBytes = 64 * 1024;

    // What the queue's server says may be lost, so that one looks now and then.
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    /// <summary>Writes events as they come, until the job is over.</summary>
    /// <exception cref="MeshException">NOT_FOUND, or UNAVAILABLE: the caller goes on elsewhere from the event after the last one that came.</exception>
    public async Task FollowAsync(WatchJobRequest request, IServerStreamWriter<WatchJobResponse> writer, CancellationToken cancel)
    {
        if (request.FirstEvent < 0) throw MeshException.InvalidArgument("first_event", "must not be negative");
        var job = await queue.RequireAsync(request.Id, cancel).ConfigureAwait(false);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, drain.Token);
        using var signal = queue.Queue!.Signals.Listen(job.Id);
        var next = Math.Max(1, request.FirstEvent);
        while (true)
        {
            var events = await queue.AskAsync(x => x.EventsAsync(job.Id, next, AtOnce, cancel)).ConfigureAwait(false);
            foreach (var happened in events)
            {
                var wire = JobMessages.Event(happened);
                await writer.WriteAsync(wire, cancel).ConfigureAwait(false);
                next = happened.Number + 1;
                if (request.Pictures && wire.Sample is { PictureBytes: > 0 } sample) await PictureAsync(sample, writer, cancel).ConfigureAwait(false);
            }
            if (events.Count == AtOnce) continue;
            // The last event is written with the state that makes the job be over.
            if (await queue.AskAsync(x => x.GetAsync(job.Id, cancel)).ConfigureAwait(false) is not { } now || (now.IsOver && now.LastEvent < next)) return;
            if (now.LastEvent >= next) continue;
            await WaitAsync(signal, until.Token, cancel).ConfigureAwait(false);
        }
    }

    private async Task WaitAsync(Mesh.Store.Jobs.JobSignal signal, CancellationToken until, CancellationToken cancel)
    {
        try
        {
            await signal.WaitAsync(Look, until).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (drain.IsDraining && !cancel.IsCancellationRequested)
        {
            throw MeshException.Unavailable(FaultReasons.Draining, "This trainer is going down; watch the job through another, from the next event on.", TimeSpan.FromSeconds(1));
        }
    }

    private async Task PictureAsync(SampleMade sample, IServerStreamWriter<WatchJobResponse> writer, CancellationToken cancel)
    {
        var path = Path.Combine(folders.Root, sample.Path);
        // It may have been tidied away since.
        if (!File.Exists(path)) return;
        var file = await File.ReadAllBytesAsync(path, cancel).ConfigureAwait(false);
        for (var at = 0; at < file.Length; at += ChunkBytes)
        {
            var piece = file.AsMemory(at, Math.Min(ChunkBytes, file.Length - at));
            await writer.WriteAsync(
                new WatchJobResponse { Chunk = new PictureChunk { Offset = at, Data = UnsafeByteOperations.UnsafeWrap(piece), Last = at + piece.Length == file.Length } }, cancel).ConfigureAwait(false);
        }
    }
}
