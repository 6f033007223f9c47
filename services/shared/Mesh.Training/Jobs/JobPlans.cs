using Mesh.Training.Configuration;

namespace Mesh.Training.Jobs;

/// <summary>The kinds of jobs.</summary>
public static class JobPlans
{
    private static readonly Dictionary<string, Func<JobFields, string, IJobPlan>> Readers = new(StringComparer.Ordinal)
    {
        [TokenizerPlan.KindName] = TokenizerPlan.Read, [AutoencoderPlan.KindName] = AutoencoderPlan.Read, [FlowPlan.KindName] = FlowPlan.ReadFlow,
        [FlowPlan.DistilName] = FlowPlan.ReadDistil, [ProgressivePlan.KindName] = ProgressivePlan.Read, [PairsPlan.KindName] = PairsPlan.Read,
        [ScorerPlan.KindName] = ScorerPlan.Read, [EvaluatePlan.KindName] = EvaluatePlan.Read,
        [LoraPlan.KindName] = LoraPlan.Read, [DataPlan.KindName] = DataPlan.Read,
    };

    /// <summary>The names of all kinds.</summary>
    public static IReadOnlyCollection<string> Kinds => Readers.Keys;

    /// <summary>Reads and checks a job's configuration.</summary>
    /// <param name="kind">One of <see cref="Kinds"/>; where the document says its own kind too, they must agree.</param>
    /// <param name="yaml">The document, YAML or JSON.</param>
    /// <param name="root">The folder below which all files that it names must lie.</param>
    /// <exception cref="JobConfigException">Fields are missing, unknown or wrong, or what they name is not there: all faults, by field.</exception>
    public static IJobPlan Parse(string kind, string yaml, string root)
    {
        if (!Readers.TryGetValue(kind, out var reader))
            throw new JobConfigException("kind", $"'{kind}' is none of {string.Join(", ", Readers.Keys)}");
        var fields = JobFields.Parse(yaml);
        if (fields.Text("kind", kind) != kind)
            fields.Fault("kind", $"the document is of another kind than {kind}");
        var plan = reader(fields, root);
        fields.Done();
        return plan;
    }
}
