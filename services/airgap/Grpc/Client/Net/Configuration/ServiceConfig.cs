namespace Grpc.Net.Client.Configuration;

/// <summary>How a channel balances, retries and hedges.</summary>
public sealed class ServiceConfig : ConfigObject
{
    /// <summary>Load balancing policies by preference; the first that the channel knows counts.</summary>
    public IList<LoadBalancingConfig> LoadBalancingConfigs => GetOrAdd<IList<LoadBalancingConfig>>("loadBalancingConfig", () => []);

    public IList<MethodConfig> MethodConfigs => GetOrAdd<IList<MethodConfig>>("methodConfig", () => []);

    public RetryThrottlingPolicy? RetryThrottling
    {
        get => Get<RetryThrottlingPolicy>("retryThrottling");
        set => Set("retryThrottling", value);
    }
}

/// <summary>What holds for the methods that it names. A method may have a retry policy or a hedging policy, not both.</summary>
public sealed class MethodConfig : ConfigObject
{
    public IList<MethodName> Names => GetOrAdd<IList<MethodName>>("name", () => []);

    public RetryPolicy? RetryPolicy
    {
        get => Get<RetryPolicy>("retryPolicy");
        set => Set("retryPolicy", value);
    }

    public HedgingPolicy? HedgingPolicy
    {
        get => Get<HedgingPolicy>("hedgingPolicy");
        set => Set("hedgingPolicy", value);
    }
}

/// <summary>A method, or all of a service's (no method), or all methods (neither).</summary>
public sealed class MethodName : ConfigObject
{
    public static readonly MethodName Default = new();

    public string? Service
    {
        get => Get<string>("service");
        set => Set("service", value);
    }

    public string? Method
    {
        get => Get<string>("method");
        set => Set("method", value);
    }
}
