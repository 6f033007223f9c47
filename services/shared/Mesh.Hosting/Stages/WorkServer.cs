using System.Diagnostics;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Hosting.Faults;
using Status = Google.Rpc.Status;

namespace Mesh.Hosting.Stages;

/// <summary>How a stage's messages say what the stream must know.</summary>
/// <param name="Name">The stream's name for logs and traces, such as <c>mesh.text.v1.TextEncoderService/Encode</c>.</param>
/// <param name="Header">What a request says of itself.</param>
/// <param name="Failure">The answer to a piece of work of this id that failed.</param>
public sealed record WorkProtocol<TRequest, TResponse>(string Name, Func<TRequest, WorkHeader> Header, Func<long, Status, Timings, TResponse> Failure);

/// <summary>Does one piece of work.</summary>
/// <param name="request">Its request.</param>
/// <param name="work">Its id, deadline and cancellation.</param>
/// <param name="answer">Sends an answer. Most stages give one; returning without any is a bug. What is thrown becomes the answer.</param>
public delegate Task WorkHandler<TRequest, TResponse>(TRequest request, WorkItem work, Func<TResponse, Task> answer);

/// <summary>
/// Serves a stage's bidirectional streams: pieces of work with ids, many in flight on one stream, answered as they end. Each has its own
/// timeout and can be cancelled by its id; a failure is an answer and the stream lives on. When the caller ends its half, what is in flight
/// is still answered; when the call ends, it is cancelled. A draining service finishes what it has and then ends the stream as UNAVAILABLE.
/// </summary>
/// <param name="protocol">How the messages look.</param>
/// <param name="handler">Does the work.</param>
/// <param name="maxUnfinished">Most pieces of work of one stream that are not answered yet; one more is answered with RESOURCE_EXHAUSTED.</param>
/// <param name="reporter">Tells faults from bugs.</param>
/// <param name="time">The clock.</param>
/// <param name="draining">Cancelled when the service takes no new work.</param>
public sealed class WorkServer<TRequest, TResponse>(
    WorkProtocol<TRequest, TResponse> protocol,
    WorkHandler<TRequest, TResponse> handler,
    int maxUnfinished,
    FaultReporter reporter,
    TimeProvider time,
    CancellationToken draining)
    where TRequest : class
    where TResponse : class
{
    private static readonly TimeSpan FullRetry = TimeSpan.FromMilliseconds(50);

    /// <summary>Serves one stream to its end.</summary>
    public async Task ServeAsync(IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> answers, ServerCallContext call)
    {
        ArgumentNullException.ThrowIfNull(requests);
        ArgumentNullException.ThrowIfNull(answers);
        ArgumentNullException.ThrowIfNull(call);
        using var session = new Session(this, answers, call.CancellationToken);
        using var abort = call.CancellationToken.UnsafeRegister(static x => ((Session)x!).CancelAll(), session);
        using var drain = draining.UnsafeRegister(static x => ((Session)x!).Drain(), session);
        var ended = false;
        try
        {
            while (!ended)
            {
                var next = requests.MoveNext(call.CancellationToken);
                if (!next.IsCompleted) await Task.WhenAny(next, session.Drained).ConfigureAwait(false);
                if (!next.IsCompleted)
                {
                    // The call ends below; how the read ends then is of no interest.
                    _ = next.ContinueWith(static x => _ = x.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                    throw FaultStatus.Draining();
                }
                ended = !await next.ConfigureAwait(false);
                if (!ended) await session.TakeAsync(requests.Current).ConfigureAwait(false);
            }
        }
        finally
        {
            if (!ended) session.CancelAll();
            await session.AllDoneAsync().ConfigureAwait(false);
        }
    }

    private sealed class Session(WorkServer<TRequest, TResponse> owner, IServerStreamWriter<TResponse> answers, CancellationToken aborted) : IDisposable
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<long, WorkItem> _unfinished = [];
        private readonly SemaphoreSlim _writing = new(1, 1);
        private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private TaskCompletionSource? _allDone;
        private bool _draining;
        private bool _cancelled;

        /// <summary>Ends when the service drains and nothing is in flight here.</summary>
        public Task Drained => _drained.Task;

        public async Task TakeAsync(TRequest request)
        {
            var header = owner.Header(request);
            if (header.Cancel)
            {
                Find(header.Id)?.Cancel();
                return;
            }
            var work = new WorkItem(header, owner.Time);
            if (Admit(work) is { } refusal)
            {
                // Not to read on before it is sent keeps a caller that never reads from filling the memory.
                await SendAsync(owner.Failure(work, refusal)).ConfigureAwait(false);
                work.Dispose();
                return;
            }
            _ = RunAsync(request, work, header);
        }

        public void CancelAll()
        {
            List<WorkItem> all;
            lock (_gate)
            {
                _cancelled = true;
                all = [.. _unfinished.Values];
            }
            foreach (var work in all) work.Cancel();
        }

        public void Drain()
        {
            lock (_gate)
            {
                _draining = true;
                if (_unfinished.Count == 0) _drained.TrySetResult();
            }
        }

        public Task AllDoneAsync()
        {
            lock (_gate)
            {
                if (_unfinished.Count == 0) return Task.CompletedTask;
                _allDone = new(TaskCreationOptions.RunContinuationsAsynchronously);
                return _allDone.Task;
            }
        }

        public void Dispose() => _writing.Dispose();

        private WorkItem? Find(long id)
        {
            lock (_gate) return _unfinished.GetValueOrDefault(id);
        }

        /// <summary>Takes it up, or says why not.</summary>
        /// <exception cref="MeshException">Its id is in use: an answer could not be told from the other's, so the stream ends.</exception>
        private MeshException? Admit(WorkItem work)
        {
            lock (_gate)
            {
                if (_unfinished.ContainsKey(work.Id)) throw StageFaults.IdInUse(work.Id);
                if (_draining) return FaultStatus.Draining();
                if (_unfinished.Count >= owner.MaxUnfinished) return StageFaults.TooMany(owner.MaxUnfinished, FullRetry);
                _unfinished.Add(work.Id, work);
                if (_cancelled) work.Cancel();
                return null;
            }
        }

        private async Task RunAsync(TRequest request, WorkItem work, WorkHeader header)
        {
            using var activity = StageTelemetry.StartWork(owner.Name, header.TraceParent);
            try
            {
                if (header.TimeoutUs < 0) throw MeshException.InvalidArgument("timeout_us", "must not be negative");
                await owner.Handler(request, work, SendAsync).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // Whatever it is, it is the answer to this piece of work, and the others go on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                var fault = owner.Reporter.Report(e, work.IsLate, owner.Name);
                activity?.SetStatus(ActivityStatusCode.Error, fault.Reason);
                await SendAsync(owner.Failure(work, fault)).ConfigureAwait(false);
            }
            Finish(work);
        }

        private void Finish(WorkItem work)
        {
            lock (_gate)
            {
                _unfinished.Remove(work.Id);
                if (_unfinished.Count == 0)
                {
                    if (_draining) _drained.TrySetResult();
                    _allDone?.TrySetResult();
                }
            }
            work.Dispose();
        }

        /// <summary>Sends an answer after those before it; nothing where the call is over.</summary>
        private async Task SendAsync(TResponse answer)
        {
            if (aborted.IsCancellationRequested) return;
            await _writing.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            try
            {
                if (!aborted.IsCancellationRequested) await answers.WriteAsync(answer).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // A call that ends while it is written to fails in many ways, and nobody is left to be told.
            catch (Exception)
#pragma warning restore CA1031
            {
                CancelAll();
            }
            finally
            {
                _writing.Release();
            }
        }
    }

    private string Name => protocol.Name;

    private WorkHandler<TRequest, TResponse> Handler => handler;

    private FaultReporter Reporter => reporter;

    private TimeProvider Time => time;

    private int MaxUnfinished => maxUnfinished;

    private WorkHeader Header(TRequest request) => protocol.Header(request);

    private TResponse Failure(WorkItem work, MeshException fault) => protocol.Failure(work.Id, fault.ToStatus(), work.Timings());
}
