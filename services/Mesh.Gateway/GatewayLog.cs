namespace Mesh.Gateway;

internal static partial class GatewayLog
{
    [LoggerMessage(3001, LogLevel.Information, "No Redis is configured (Mesh:Redis:Cache): embeddings and results are kept in this process alone")]
    public static partial void NoRedis(ILogger logger);

    [LoggerMessage(3002, LogLevel.Warning, "Redis does not answer; going on without it: {Fault}")]
    public static partial void RedisLost(ILogger logger, string fault);

    [LoggerMessage(3003, LogLevel.Information, "Redis answers again")]
    public static partial void RedisBack(ILogger logger);

    [LoggerMessage(3004, LogLevel.Information, "The {Stage} stage at {Address} is {State} {Trouble}")]
    public static partial void ReplicaChanged(ILogger logger, string stage, string address, string state, string trouble);
}
