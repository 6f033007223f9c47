using System.Globalization;
using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Trainer.V1;
using Mesh.Hosting.Faults;
using Mesh.Store.Jobs;
using Mesh.Trainer.Jobs;
using Mesh.Training.Configuration;
using JobState = Mesh.Store.Jobs.JobState;

namespace Mesh.Trainer.Promotion;

/// <summary>Puts what jobs made in the place of models that are served, and back.</summary>
internal sealed class Promotions(TrainerQueue queue, TrainerFolders folders, CheckpointLists checkpoints, ModelShelf shelf, ServingStages stages, ILogger<Promotions> logger)
{
    private const int LongestName = 64;
    private const string EvaluateKind = "evaluate";

    /// <summary>Promotes a job's model where its evaluation is good enough.</summary>
    /// <exception cref="MeshException">INVALID_ARGUMENT, NOT_FOUND; FAILED_PRECONDITION with every bound that is not kept, or where the stages refuse: then all is as before.</exception>
    public async Task<PromoteCheckpointResponse> PromoteAsync(PromoteCheckpointRequest request, CancellationToken cancel)
    {
        CheckFields(request);
        stages.Require();
        var job = await queue.RequireAsync(request.JobId, cancel, "job_id").ConfigureAwait(false);
        var evaluation = await queue.RequireAsync(request.EvaluationJobId, cancel, "evaluation_job_id").ConfigureAwait(false);
        RequireSuccess(job);
        RequireSuccess(evaluation);
        CheckEvaluation(evaluation, job, request.Thresholds);
        var digest = await Task.Run(() => WholeModel(job), cancel).ConfigureAwait(false);
        using var held = shelf.Lock(request.Model);
        var before = shelf.Read(request.Model);
        var version = await Task.Run(() => shelf.Add(request.Model, before, job.Id, folders.ResultOf(job.Id), digest), cancel).ConfigureAwait(false);
        var outcomes = await UseAsync(request.Model, before, version, cancel).ConfigureAwait(false);
        return new PromoteCheckpointResponse { Version = shelf.Wire(request.Model, version), Outcomes = { outcomes } };
    }

    /// <summary>Serves the version before the present one again.</summary>
    /// <exception cref="MeshException">INVALID_ARGUMENT; FAILED_PRECONDITION where there is none before, or where the stages refuse: then all is as before.</exception>
    public async Task<RollBackModelResponse> RollBackAsync(RollBackModelRequest request, CancellationToken cancel)
    {
        if (!IsName(request.Model)) throw MeshException.InvalidArgument("model", "must be the id of a model");
        stages.Require();
        using var held = shelf.Lock(request.Model);
        var history = shelf.Read(request.Model);
        var version = history.Versions.LastOrDefault(x => x.Number < history.Current)
            ?? throw MeshException.FailedPrecondition("NO_EARLIER_VERSION", $"model:{request.Model}", $"The model '{request.Model}' has no version before the present one.");
        var outcomes = await UseAsync(request.Model, history, version, cancel).ConfigureAwait(false);
        return new RollBackModelResponse { Version = shelf.Wire(request.Model, version), Outcomes = { outcomes } };
    }

    private async Task<IReadOnlyList<ReplicaOutcome>> UseAsync(string model, ShelfHistory before, ShelfVersion version, CancellationToken cancel)
    {
        shelf.Use(model, before, version);
        try
        {
            var outcomes = await stages.LoadAsync(model, cancel).ConfigureAwait(false);
            // A replica that is away takes the model in when it is back; one that cannot use it never will.
            if (outcomes.FirstOrDefault(x => x.Status is { } s && s.Code is not ((int)Code.Ok or (int)Code.Unavailable)) is { } bad)
                throw MeshException.FailedPrecondition("MODEL_REFUSED", $"model:{model}", $"The {bad.Stage} stage at {bad.Address} did not take the model: {bad.Status.Message}");
            TrainerLog.Promoted(logger, model, version.Number, shelf.Wire(model, version).Folder);
            return outcomes;
        }
        catch
        {
            shelf.Restore(model, before);
            throw;
        }
    }

    private static void CheckFields(PromoteCheckpointRequest request)
    {
        List<(string, string)> faults = [];
        if (request.JobId.Length == 0) faults.Add(("job_id", "is required"));
        if (request.EvaluationJobId.Length == 0) faults.Add(("evaluation_job_id", "is required"));
        if (!IsName(request.Model)) faults.Add(("model", "must be the id of a model"));
        if (request.Thresholds.Count == 0) faults.Add(("thresholds", "are required: at least one bound on what the evaluation found"));
        foreach (var (i, bound) in request.Thresholds.Index())
        {
            if (bound.Measure.Length == 0) faults.Add(($"thresholds[{i}].measure", "is required"));
            if (!bound.HasAtLeast && !bound.HasAtMost) faults.Add(($"thresholds[{i}]", "needs at_least or at_most"));
        }
        if (faults.Count > 0) throw MeshException.InvalidArguments(faults);
    }

    private static void RequireSuccess(JobRecord job)
    {
        if (job.State != JobState.Succeeded)
            throw MeshException.FailedPrecondition("JOB_NOT_DONE", $"jobs/{job.Id}", $"The job {job.Id} has not succeeded; it is {job.State.ToString().ToLowerInvariant()}.");
    }

    private string WholeModel(JobRecord job)
    {
        if (checkpoints.FaultOfResult(job.Id, out var digest) is { } fault)
            throw MeshException.FailedPrecondition("RESULT_DAMAGED", $"jobs/{job.Id}", $"What the job {job.Id} made cannot be used: {fault}.");
        return CheckpointLists.IsModel(folders.ResultOf(job.Id))
            ? digest
            : throw MeshException.FailedPrecondition("NOT_A_MODEL", $"jobs/{job.Id}", $"What the job {job.Id} made ({job.Kind}) is no whole model.");
    }

    private void CheckEvaluation(JobRecord evaluation, JobRecord job, IEnumerable<Threshold> thresholds)
    {
        if (evaluation.Kind != EvaluateKind) throw MeshException.InvalidArgument("evaluation_job_id", $"must name a job of the kind {EvaluateKind}, not {evaluation.Kind}");
        var judged = Path.TrimEndingDirectorySeparator(Path.GetFullPath(Path.Combine(folders.Root, JobFields.Parse(evaluation.Body).Text("model", ""))));
        if (judged != folders.ResultOf(job.Id))
            throw MeshException.InvalidArgument("evaluation_job_id", $"judged {folders.Relative(judged)}, not what the job {job.Id} made");
        if (checkpoints.FaultOfResult(evaluation.Id, out _) is { } fault)
            throw MeshException.FailedPrecondition("RESULT_DAMAGED", $"jobs/{evaluation.Id}", $"What the job {evaluation.Id} found cannot be used: {fault}.");
        using var report = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folders.ResultOf(evaluation.Id), "report.json")));
        var missed = new PreconditionFailure();
        foreach (var bound in thresholds)
        {
            if (Missed(report.RootElement, bound) is { } why) missed.Violations.Add(new PreconditionFailure.Types.Violation { Type = "THRESHOLD_NOT_MET", Subject = bound.Measure, Description = why });
        }
        if (missed.Violations.Count > 0)
            throw new MeshException(StatusCode.FailedPrecondition, "THRESHOLD_NOT_MET", string.Join("; ", missed.Violations.Select(x => x.Description)), missed);
    }

    /// <summary>What a bound lacks; null: it is kept.</summary>
    private static string? Missed(JsonElement report, Threshold bound)
    {
        var at = report;
        foreach (var name in bound.Measure.Split('.'))
        {
            if (at.ValueKind != JsonValueKind.Object || !at.TryGetProperty(name, out at)) return $"the evaluation found no {bound.Measure}";
        }
        if (at.ValueKind != JsonValueKind.Number) return $"{bound.Measure} is no number";
        var value = at.GetDouble();
        if (bound.HasAtLeast && !(value >= bound.AtLeast)) return string.Create(CultureInfo.InvariantCulture, $"{bound.Measure} is {value}, less than {bound.AtLeast}");
        if (bound.HasAtMost && !(value <= bound.AtMost)) return string.Create(CultureInfo.InvariantCulture, $"{bound.Measure} is {value}, more than {bound.AtMost}");
        return null;
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= LongestName && name[0] != '.' && name.All(x => char.IsAsciiLetterOrDigit(x) || x is '.' or '_' or '-');
}
