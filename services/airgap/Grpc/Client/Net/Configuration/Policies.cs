using Grpc.Core;

namespace Grpc.Net.Client.Configuration;

/// <summary>Try again, after a growing and random delay, when a call fails with one of these codes before its response began.</summary>
public sealed class RetryPolicy : ConfigObject
{
    /// <summary>The first attempt included; at least 2.</summary>
    public int? MaxAttempts
    {
        get => Get<int?>("maxAttempts");
        set => Set("maxAttempts", value);
    }

    public TimeSpan? InitialBackoff
    {
        get => GetDuration("initialBackoff");
        set => SetDuration("initialBackoff", value);
    }

    public TimeSpan? MaxBackoff
    {
        get => GetDuration("maxBackoff");
        set => SetDuration("maxBackoff", value);
    }

    public double? BackoffMultiplier
    {
        get => Get<double?>("backoffMultiplier");
        set => Set("backoffMultiplier", value);
    }

    public IList<StatusCode> RetryableStatusCodes => GetOrAdd<IList<StatusCode>>("retryableStatusCodes", () => []);
}

/// <summary>Start further attempts while the first is still under way; the first good answer counts.</summary>
public sealed class HedgingPolicy : ConfigObject
{
    /// <summary>The first attempt included; at least 2.</summary>
    public int? MaxAttempts
    {
        get => Get<int?>("maxAttempts");
        set => Set("maxAttempts", value);
    }

    /// <summary>Between attempts; null or zero: all at once.</summary>
    public TimeSpan? HedgingDelay
    {
        get => GetDuration("hedgingDelay");
        set => SetDuration("hedgingDelay", value);
    }

    /// <summary>Codes after which the next attempt starts at once; any other ends the call.</summary>
    public IList<StatusCode> NonFatalStatusCodes => GetOrAdd<IList<StatusCode>>("nonFatalStatusCodes", () => []);
}

/// <summary>Stops retries while too many calls fail: a failure costs a token, a success returns a part of one, and retries need half of the tokens.</summary>
public sealed class RetryThrottlingPolicy : ConfigObject
{
    public int? MaxTokens
    {
        get => Get<int?>("maxTokens");
        set => Set("maxTokens", value);
    }

    public double? TokenRatio
    {
        get => Get<double?>("tokenRatio");
        set => Set("tokenRatio", value);
    }
}

/// <summary>A load balancing policy by name, with what it is configured with.</summary>
public class LoadBalancingConfig : ConfigObject
{
    public const string PickFirstPolicyName = "pick_first";
    public const string RoundRobinPolicyName = "round_robin";

    public LoadBalancingConfig(string loadBalancingPolicyName)
    {
        ArgumentNullException.ThrowIfNull(loadBalancingPolicyName);
        PolicyName = loadBalancingPolicyName;
    }

    public string PolicyName { get; }
}

/// <summary>All calls to the first address that connects.</summary>
public sealed class PickFirstConfig : LoadBalancingConfig
{
    public PickFirstConfig() : base(PickFirstPolicyName)
    {
    }
}

/// <summary>Calls to all connected addresses in turn.</summary>
public sealed class RoundRobinConfig : LoadBalancingConfig
{
    public RoundRobinConfig() : base(RoundRobinPolicyName)
    {
    }
}
