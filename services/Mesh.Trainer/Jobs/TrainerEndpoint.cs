using Grpc.Core;
using Mesh.Contracts.Trainer.V1;
using Mesh.Hosting.Faults;
using Mesh.Store.Jobs;
using Mesh.Trainer.Promotion;
using JobState = Mesh.Store.Jobs.JobState;

namespace Mesh.Trainer.Jobs;

/// <summary>mesh.trainer.v1.TrainerService.</summary>
internal sealed class TrainerEndpoint(
    TrainerQueue queue, Specifications specifications, JobMessages messages, JobWatch watch, CheckpointLists checkpoints, Promotions promotions) : TrainerService.TrainerServiceBase
{
    private const int UsualPage = 50;
    private const int LargestPage = 200;
    private const string Nobody = "anonymous";
    private static readonly TimeSpan QueueRetry = TimeSpan.FromSeconds(30);

    public override async Task<SubmitJobResponse> SubmitJob(SubmitJobRequest request, ServerCallContext context)
    {
        var caller = context.GetHttpContext().Connection.ClientCertificate?.Subject ?? Nobody;
        var job = specifications.Read(request, caller);
        try
        {
            var made = await queue.AskAsync(x => x.SubmitAsync(job, context.CancellationToken)).ConfigureAwait(false);
            return new SubmitJobResponse { Job = await JobAsync(made.Id, context.CancellationToken).ConfigureAwait(false), Existed = made.Existed };
        }
        catch (JobRefusedException e)
        {
            throw e.Refusal switch
            {
                JobRefusal.QueueFull => MeshException.Overloaded(FaultReasons.QueueFull, e.Message, QueueRetry),
                JobRefusal.QuotaExceeded => MeshException.QuotaExceeded("JOB_QUOTA", $"caller:{caller}", e.Message, QueueRetry),
                _ => new MeshException(StatusCode.AlreadyExists, "REQUEST_ID_REUSED", e.Message),
            };
        }
    }

    public override async Task<GetJobResponse> GetJob(GetJobRequest request, ServerCallContext context) =>
        new() { Job = await JobAsync(request.Id, context.CancellationToken).ConfigureAwait(false) };

    public override async Task<ListJobsResponse> ListJobs(ListJobsRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > LargestPage) throw MeshException.InvalidArgument("page_size", $"must be from 0 to {LargestPage}");
        var states = new List<JobState>();
        foreach (var (i, wanted) in request.States.Index())
            states.Add(JobMessages.State(wanted) ?? throw MeshException.InvalidArgument($"states[{i}]", "is no state that a job can be in"));
        var page = await queue.AskAsync(x => x.ListAsync(
            request.PageToken.Length == 0 ? null : request.PageToken, request.PageSize == 0 ? UsualPage : request.PageSize, states,
            request.Kind.Length == 0 ? null : request.Kind, context.CancellationToken)).ConfigureAwait(false);
        var response = new ListJobsResponse { NextPageToken = page.Next ?? "" };
        foreach (var job in page.Jobs) response.Jobs.Add(await messages.JobAsync(job, context.CancellationToken).ConfigureAwait(false));
        return response;
    }

    public override async Task<CancelJobResponse> CancelJob(CancelJobRequest request, ServerCallContext context) =>
        new() { Job = await ChangeAsync(request.Id, (x, id) => x.CancelAsync(id, context.CancellationToken), context.CancellationToken).ConfigureAwait(false) };

    public override async Task<PauseJobResponse> PauseJob(PauseJobRequest request, ServerCallContext context)
    {
        await RefuseOverAsync(request.Id, "paused", context.CancellationToken).ConfigureAwait(false);
        return new() { Job = await ChangeAsync(request.Id, (x, id) => x.PauseAsync(id, context.CancellationToken), context.CancellationToken).ConfigureAwait(false) };
    }

    public override async Task<ResumeJobResponse> ResumeJob(ResumeJobRequest request, ServerCallContext context)
    {
        await RefuseOverAsync(request.Id, "resumed", context.CancellationToken).ConfigureAwait(false);
        return new() { Job = await ChangeAsync(request.Id, (x, id) => x.ResumeAsync(id, context.CancellationToken), context.CancellationToken).ConfigureAwait(false) };
    }

    public override Task WatchJob(WatchJobRequest request, IServerStreamWriter<WatchJobResponse> responseStream, ServerCallContext context) =>
        watch.FollowAsync(request, responseStream, context.CancellationToken);

    public override async Task<ListCheckpointsResponse> ListCheckpoints(ListCheckpointsRequest request, ServerCallContext context)
    {
        var job = await queue.RequireAsync(request.Id, context.CancellationToken).ConfigureAwait(false);
        var response = new ListCheckpointsResponse();
        response.Checkpoints.AddRange(await Task.Run(() => checkpoints.Of(job), context.CancellationToken).ConfigureAwait(false));
        return response;
    }

    public override Task<PromoteCheckpointResponse> PromoteCheckpoint(PromoteCheckpointRequest request, ServerCallContext context) =>
        promotions.PromoteAsync(request, context.CancellationToken);

    public override Task<RollBackModelResponse> RollBackModel(RollBackModelRequest request, ServerCallContext context) =>
        promotions.RollBackAsync(request, context.CancellationToken);

    private async Task<Job> JobAsync(string id, CancellationToken cancel) =>
        await messages.JobAsync(await queue.RequireAsync(id, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false);

    private async Task<Job> ChangeAsync(string id, Func<JobStore, string, Task<JobRecord?>> change, CancellationToken cancel)
    {
        // Parts of jobs have ids too, but live and end with the whole.
        var job = await queue.RequireAsync(id, cancel).ConfigureAwait(false);
        if (job.Parent is { } parent) throw MeshException.InvalidArgument("id", $"is a part of the job {parent}; name that");
        var changed = await queue.AskAsync(x => change(x, id)).ConfigureAwait(false) ?? throw MeshException.NotFound("job", id);
        return await messages.JobAsync(changed, cancel).ConfigureAwait(false);
    }

    private async Task RefuseOverAsync(string id, string what, CancellationToken cancel)
    {
        var job = await queue.RequireAsync(id, cancel).ConfigureAwait(false);
        if (job.IsOver) throw MeshException.FailedPrecondition("JOB_IS_OVER", $"jobs/{id}", $"The job has {job.State.ToString().ToLowerInvariant()}; it cannot be {what}.");
    }
}
