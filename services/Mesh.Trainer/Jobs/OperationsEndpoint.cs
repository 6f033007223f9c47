using Google.LongRunning;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Mesh.Hosting.Faults;
using Mesh.Store.Jobs;
using JobState = Mesh.Store.Jobs.JobState;

namespace Mesh.Trainer.Jobs;

/// <summary>google.longrunning.Operations: every job, named <c>jobs/ID</c>, with a Job as metadata and as response.</summary>
internal sealed class OperationsEndpoint(TrainerQueue queue, JobMessages messages) : Operations.OperationsBase
{
    private const string Prefix = "jobs/";
    private const int UsualPage = 50;
    private const int LargestPage = 200;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    public override async Task<Operation> GetOperation(GetOperationRequest request, ServerCallContext context) =>
        await OperationAsync(await JobAsync(request.Name, context.CancellationToken).ConfigureAwait(false), context.CancellationToken).ConfigureAwait(false);

    public override async Task<ListOperationsResponse> ListOperations(ListOperationsRequest request, ServerCallContext context)
    {
        if (request.Filter.Length > 0) throw MeshException.InvalidArgument("filter", "must be empty; mesh.trainer.v1.TrainerService/ListJobs filters");
        if (request.Name is not ("" or "jobs" or Prefix)) throw MeshException.InvalidArgument("name", "must be jobs");
        if (request.PageSize is < 0 or > LargestPage) throw MeshException.InvalidArgument("page_size", $"must be from 0 to {LargestPage}");
        var page = await queue.AskAsync(x => x.ListAsync(
            request.PageToken.Length == 0 ? null : request.PageToken, request.PageSize == 0 ? UsualPage : request.PageSize, [], null, context.CancellationToken)).ConfigureAwait(false);
        var response = new ListOperationsResponse { NextPageToken = page.Next ?? "" };
        foreach (var job in page.Jobs) response.Operations.Add(await OperationAsync(job, context.CancellationToken).ConfigureAwait(false));
        return response;
    }

    public override async Task<Empty> CancelOperation(CancelOperationRequest request, ServerCallContext context)
    {
        var job = await JobAsync(request.Name, context.CancellationToken).ConfigureAwait(false);
        await queue.AskAsync(x => x.CancelAsync(job.Id, context.CancellationToken)).ConfigureAwait(false);
        return new Empty();
    }

    public override async Task<Operation> WaitOperation(WaitOperationRequest request, ServerCallContext context)
    {
        var longest = request.Timeout?.ToTimeSpan();
        if (longest < TimeSpan.Zero) throw MeshException.InvalidArgument("timeout", "must not be negative");
        var job = await JobAsync(request.Name, context.CancellationToken).ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        // Longer than a timer can be set to is as good as for ever.
        if (longest is { TotalMilliseconds: < int.MaxValue } some) limit.CancelAfter(some);
        using var signal = queue.Queue!.Signals.Listen(job.Id);
        try
        {
            while (!job.IsOver)
            {
                await signal.WaitAsync(Look, limit.Token).ConfigureAwait(false);
                job = await queue.RequireAsync(job.Id, limit.Token, "name").ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            // The caller waits no longer and is told how it is by now.
        }
        return await OperationAsync(job, context.CancellationToken).ConfigureAwait(false);
    }

    private Task<JobRecord> JobAsync(string name, CancellationToken cancel) => name.StartsWith(Prefix, StringComparison.Ordinal)
        ? queue.RequireAsync(name[Prefix.Length..], cancel, "name")
        : throw MeshException.InvalidArgument("name", $"must be {Prefix}ID");

    private async Task<Operation> OperationAsync(JobRecord job, CancellationToken cancel)
    {
        var wire = await messages.JobAsync(job, cancel).ConfigureAwait(false);
        var operation = new Operation { Name = Prefix + job.Id, Metadata = Any.Pack(wire), Done = job.IsOver };
        if (job.State == JobState.Succeeded) operation.Response = Any.Pack(wire);
        if (job.State == JobState.Failed) operation.Error = wire.Error;
        if (job.State == JobState.Cancelled) operation.Error = new Google.Rpc.Status { Code = (int)StatusCode.Cancelled, Message = "The job was cancelled." };
        return operation;
    }
}
