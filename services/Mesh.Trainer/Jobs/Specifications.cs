using System.Text;
using Google.Protobuf.WellKnownTypes;
using Mesh.Contracts.Trainer.V1;
using Mesh.Hosting.Faults;
using Mesh.Store.Jobs;
using Mesh.Training.Configuration;
using Mesh.Training.Jobs;

namespace Mesh.Trainer.Jobs;

/// <summary>Checks a submission against the schema of its kind, with everything that it names, before anything is queued.</summary>
internal sealed class Specifications(TrainerFolders folders)
{
    private const int LongestTitle = 128;
    private const int LongestRequestId = 64;
    private const int MostShards = 256;
    private const int MostBytes = 1 << 20;
    private const string Field = "specification";
    private const string Split = "pairs";

    /// <summary>The job to queue.</summary>
    /// <exception cref="MeshException">INVALID_ARGUMENT, with every field that is wrong.</exception>
    public NewJob Read(SubmitJobRequest request, string caller)
    {
        List<(string, string)> faults = [];
        if (request.RequestId.Length > LongestRequestId || request.RequestId.Any(x => x is <= ' ' or > '~')) faults.Add(("request_id", $"must be at most {LongestRequestId} visible ASCII characters"));
        if (request.Title.Length > LongestTitle) faults.Add(("title", $"must be at most {LongestTitle} characters"));
        var priority = JobMessages.Priority(request.Priority);
        if (priority is null) faults.Add(("priority", "is none of low, normal and high"));
        var shards = request.Shards == 0 ? 1 : request.Shards;
        if (shards is < 1 or > MostShards) faults.Add(("shards", $"must be from 1 to {MostShards}"));
        else if (shards > 1 && request.Kind != Split) faults.Add(("shards", $"must be 1: only {Split} jobs can be split"));
        else if (shards > 1 && request.Specification?.Fields.Keys.Any(x => x is "shard" or "shards") == true) faults.Add(("shards", $"must be 1 where the {Field} says which part it is"));
        if (request.Specification is null) faults.Add((Field, "is required"));
        else if (request.Specification.CalculateSize() > MostBytes) faults.Add((Field, $"must be at most {MostBytes} bytes"));
        if (faults.Count > 0) throw MeshException.InvalidArguments(faults);
        var body = Check(request.Kind, request.Specification!);
        return new NewJob(request.Kind, body, caller)
        {
            RequestId = request.RequestId.Length > 0 ? request.RequestId : null,
            Title = request.Title,
            Priority = priority!.Value,
            Shards = shards == 1 ? [] : [.. Enumerable.Range(0, shards).Select(x => Check(request.Kind, Part(request.Specification!, x, shards)))],
        };
    }

    /// <summary>Reads a job that was checked before.</summary>
    /// <exception cref="JobConfigException">What it names is not there any more.</exception>
    public IJobPlan Plan(JobRecord job) => JobPlans.Parse(job.Kind, job.Body, folders.Root);

    private string Check(string kind, Struct specification)
    {
        try
        {
            return JobPlans.Parse(kind, Json(specification), folders.Root).Resolved;
        }
        catch (JobConfigException e)
        {
            throw MeshException.InvalidArguments([.. e.Faults.Select(x => (x.Field switch { "kind" => "kind", "(document)" => Field, _ => $"{Field}.{x.Field}" }, x.Message))]);
        }
    }

    private static Struct Part(Struct whole, int shard, int shards)
    {
        var part = whole.Clone();
        part.Fields["shard"] = Value.ForNumber(shard);
        part.Fields["shards"] = Value.ForNumber(shards);
        return part;
    }

    /// <summary>As JSON, whole numbers without a fraction or an exponent, fields by name: maps travel in any order, and the same request must be the same job.</summary>
    private static string Json(Struct specification)
    {
        using var stream = new MemoryStream();
        using (var writer = new System.Text.Json.Utf8JsonWriter(stream)) Write(writer, Value.ForStruct(specification));
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static void Write(System.Text.Json.Utf8JsonWriter writer, Value value)
    {
        switch (value.KindCase)
        {
            case Value.KindOneofCase.StructValue:
                writer.WriteStartObject();
                foreach (var (name, field) in value.StructValue.Fields.OrderBy(x => x.Key, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(name);
                    Write(writer, field);
                }
                writer.WriteEndObject();
                break;
            case Value.KindOneofCase.ListValue:
                writer.WriteStartArray();
                foreach (var item in value.ListValue.Values) Write(writer, item);
                writer.WriteEndArray();
                break;
            case Value.KindOneofCase.NumberValue when !double.IsFinite(value.NumberValue):
                writer.WriteStringValue(value.NumberValue.ToString(System.Globalization.CultureInfo.InvariantCulture));
                break;
            case Value.KindOneofCase.NumberValue when Math.Abs(value.NumberValue) < 1L << 53 && Math.Floor(value.NumberValue) == value.NumberValue:
                writer.WriteNumberValue((long)value.NumberValue);
                break;
            case Value.KindOneofCase.NumberValue:
                writer.WriteNumberValue(value.NumberValue);
                break;
            case Value.KindOneofCase.StringValue:
                writer.WriteStringValue(value.StringValue);
                break;
            case Value.KindOneofCase.BoolValue:
                writer.WriteBooleanValue(value.BoolValue);
                break;
            default:
                writer.WriteNullValue();
                break;
        }
    }
}
