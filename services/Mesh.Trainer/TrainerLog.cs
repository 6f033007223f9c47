namespace Mesh.Trainer;

internal static partial class TrainerLog
{
    [LoggerMessage(7001, LogLevel.Warning, "No Redis is configured (Mesh:Trainer:Redis): jobs are refused")]
    public static partial void NoRedis(ILogger logger);

    [LoggerMessage(7002, LogLevel.Information, "Job {Id} ({Kind}): taken for the {Delivery}. time")]
    public static partial void Taken(ILogger logger, string id, string kind, int delivery);

    [LoggerMessage(7003, LogLevel.Information, "Job {Id}: done after {Elapsed}")]
    public static partial void Done(ILogger logger, string id, TimeSpan elapsed);

    [LoggerMessage(7004, LogLevel.Warning, "Job {Id}: failed: {Reason}")]
    public static partial void Failed(ILogger logger, string id, string reason);

    [LoggerMessage(7005, LogLevel.Information, "Job {Id}: stopped and given back")]
    public static partial void GivenBack(ILogger logger, string id);

    [LoggerMessage(7006, LogLevel.Warning, "Job {Id}: given up, because another trainer has it or it is over")]
    public static partial void Lost(ILogger logger, string id);

    [LoggerMessage(7007, LogLevel.Warning, "The queue's Redis does not answer: {Fault}")]
    public static partial void QueueAway(ILogger logger, string fault);

    [LoggerMessage(7008, LogLevel.Information, "The queue's Redis answers again")]
    public static partial void QueueBack(ILogger logger);

    [LoggerMessage(7009, LogLevel.Warning, "Job {Id}: went wrong and will be tried again")]
    public static partial void WillRetry(ILogger logger, string id, Exception exception);

    [LoggerMessage(7010, LogLevel.Information, "Model {Model} is version {Number} now, from {Folder}")]
    public static partial void Promoted(ILogger logger, string model, int number, string folder);
}
