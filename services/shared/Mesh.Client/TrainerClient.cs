using System.Runtime.CompilerServices;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Trainer.V1;

namespace Mesh.Client;

/// <summary>
/// A mesh's trainers, by any one of them: jobs are submitted, watched, ended and promoted. Any number of threads may use one instance at once.
/// Calls are begun again where the connection breaks (see <see cref="MeshClientOptions.Retries"/>); none does its work twice.
/// </summary>
public sealed class TrainerClient : IDisposable
{
    /// <summary>Where a trainer listens that is not told otherwise.</summary>
    public const string DefaultAddress = "http://127.0.0.1:50065";

    private readonly MeshClientOptions _options;
    private readonly GrpcChannel _channel;
    private readonly TrainerService.TrainerServiceClient _trainer;
    private readonly Metadata _headers = [];
    private readonly TimeProvider _time = TimeProvider.System;

    /// <summary>Makes a client. Nothing is sent before the first call.</summary>
    /// <param name="options">Where and how; null: a trainer on this machine at <see cref="DefaultAddress"/>.</param>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it.</exception>
    /// <exception cref="IOException">A certificate file cannot be read.</exception>
    public TrainerClient(MeshClientOptions? options = null)
    {
        _options = options ?? new MeshClientOptions { Address = DefaultAddress };
        _options.Check();
        _channel = Transport.Open(_options);
        if (_options.ApiKey is { } key) _headers.Add("authorization", "Bearer " + key);
        _trainer = new TrainerService.TrainerServiceClient(_channel);
    }

    /// <summary>Puts a job into the queue.</summary>
    /// <param name="kind">Such as <c>flow</c>.</param>
    /// <param name="specificationJson">The kind's configuration, a JSON object.</param>
    /// <param name="change">Sets what else the request holds; null: nothing.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <exception cref="MeshException">It was refused; <see cref="MeshException.FieldViolations"/> names what is wrong.</exception>
    /// <exception cref="ArgumentException">The specification is no JSON object.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<Job> SubmitAsync(string kind, string specificationJson, Action<SubmitJobRequest>? change = null, CancellationToken cancellationToken = default)
    {
        var request = new SubmitJobRequest { Kind = kind, RequestId = Guid.NewGuid().ToString(), Specification = Parse(specificationJson) };
        change?.Invoke(request);
        return (await AskAsync(request, _trainer.SubmitJobAsync, cancellationToken).ConfigureAwait(false)).Job;
    }

    /// <summary>A job as it is now.</summary>
    /// <exception cref="MeshException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<Job> GetAsync(string id, CancellationToken cancellationToken = default) =>
        (await AskAsync(new GetJobRequest { Id = id }, _trainer.GetJobAsync, cancellationToken).ConfigureAwait(false)).Job;

    /// <summary>Jobs, the newest first; pages are fetched as the loop comes to them.</summary>
    /// <param name="states">Those in any of these; none: in all.</param>
    /// <param name="kind">Those of this kind; null: of all.</param>
    /// <param name="cancellationToken">Stops the calls.</param>
    /// <exception cref="MeshException">A call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async IAsyncEnumerable<Job> ListAsync(IEnumerable<JobState>? states = null, string? kind = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var request = new ListJobsRequest { Kind = kind ?? "" };
        request.States.AddRange(states ?? []);
        do
        {
            var page = await AskAsync(request, _trainer.ListJobsAsync, cancellationToken).ConfigureAwait(false);
            foreach (var job in page.Jobs) yield return job;
            if (page.NextPageToken.Length > 0 && page.NextPageToken == request.PageToken) throw MeshException.OfCorruption("the list of jobs does not end");
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
    }

    /// <summary>Ends a job; one that runs is cancelled once its trainer has stopped.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task<Job> CancelAsync(string id, CancellationToken cancellationToken = default) =>
        (await AskAsync(new CancelJobRequest { Id = id }, _trainer.CancelJobAsync, cancellationToken).ConfigureAwait(false)).Job;

    /// <summary>Takes a job out of the queue until it is resumed.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task<Job> PauseAsync(string id, CancellationToken cancellationToken = default) =>
        (await AskAsync(new PauseJobRequest { Id = id }, _trainer.PauseJobAsync, cancellationToken).ConfigureAwait(false)).Job;

    /// <summary>Puts a paused job back into the queue.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task<Job> ResumeAsync(string id, CancellationToken cancellationToken = default) =>
        (await AskAsync(new ResumeJobRequest { Id = id }, _trainer.ResumeJobAsync, cancellationToken).ConfigureAwait(false)).Job;

    /// <summary>What a job has made so far, the newest first.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task<IReadOnlyList<Checkpoint>> ListCheckpointsAsync(string id, CancellationToken cancellationToken = default) =>
        (await AskAsync(new ListCheckpointsRequest { Id = id }, _trainer.ListCheckpointsAsync, cancellationToken).ConfigureAwait(false)).Checkpoints;

    /// <summary>Puts what a job made in the place of a model that is served. Not begun again where it fails.</summary>
    /// <exception cref="MeshException">It was refused, as where a bound is not kept.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<PromoteCheckpointResponse> PromoteAsync(PromoteCheckpointRequest request, CancellationToken cancellationToken = default) =>
        await AskAsync(request, _trainer.PromoteCheckpointAsync, cancellationToken, isSafe: false).ConfigureAwait(false);

    /// <summary>Serves the version before the present one again. Not begun again where it fails.</summary>
    /// <exception cref="MeshException">It was refused.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<RollBackModelResponse> RollBackAsync(string model, CancellationToken cancellationToken = default) =>
        await AskAsync(new RollBackModelRequest { Model = model }, _trainer.RollBackModelAsync, cancellationToken, isSafe: false).ConfigureAwait(false);

    /// <summary>What happens in a job until it is over. Where the connection breaks, it is watched from the next event on.</summary>
    /// <param name="id">The job's.</param>
    /// <param name="firstEvent">The number of the first event; 0: the oldest.</param>
    /// <param name="cancellationToken">Stops watching.</param>
    /// <exception cref="MeshException">The call failed, and trying again did not help.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async IAsyncEnumerable<WatchJobResponse> WatchAsync(string id, long firstEvent = 0, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        // A job lasts as long as it lasts: the time limit of calls is one between events here.
        var patience = new Patience(_options, DateTime.MaxValue, _time);
        var next = firstEvent;
        var call = Open();
        try
        {
            while (true)
            {
                WatchJobResponse? happened = null;
                try
                {
                    if (!await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false)) yield break;
                    happened = call.ResponseStream.Current;
                }
                catch (RpcException fault)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    await patience.WaitAsync(MeshException.From(fault), cancellationToken).ConfigureAwait(false);
                    call.Dispose();
                    call = Open();
                }
                if (happened is null) continue;
                patience = new Patience(_options, DateTime.MaxValue, _time);
                next = happened.Number + 1;
                yield return happened;
            }
        }
        finally
        {
            call.Dispose();
        }

        AsyncServerStreamingCall<WatchJobResponse> Open() => _trainer.WatchJob(new WatchJobRequest { Id = id, FirstEvent = next }, new CallOptions(_headers, null, cancellationToken));
    }

    /// <summary>Closes the connections; calls in flight end as cancelled.</summary>
    public void Dispose() => _channel.Dispose();

    private static Struct Parse(string json)
    {
        try
        {
            return Struct.Parser.ParseJson(json);
        }
        catch (Google.Protobuf.InvalidJsonException e)
        {
            throw new ArgumentException($"the specification is no JSON object: {e.Message}", nameof(json), e);
        }
    }

    private async Task<TResponse> AskAsync<TRequest, TResponse>(
        TRequest message, Func<TRequest, CallOptions, AsyncUnaryCall<TResponse>> ask, CancellationToken cancellationToken, bool isSafe = true)
    {
        var deadline = _time.GetUtcNow().UtcDateTime + _options.Deadline;
        var patience = new Patience(_options, deadline, _time);
        while (true)
        {
            try
            {
                using var call = ask(message, new CallOptions(_headers, deadline, cancellationToken));
                return await call.ResponseAsync.ConfigureAwait(false);
            }
            catch (RpcException fault)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var known = MeshException.From(fault);
                if (!isSafe) throw known;
                await patience.WaitAsync(known, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
