using System.Collections.Frozen;
using Grpc.Core;
using Grpc.Net.Client.Configuration;

namespace Grpc.Net.Client.Calls;

/// <summary>How a method's calls are repeated: one after the other (retries), or side by side (hedging).</summary>
/// <param name="MaxAttempts">The first one included.</param>
/// <param name="Codes">For retries: the codes that are retried. For hedging: the codes that are not final.</param>
internal sealed record AttemptPolicy(
    bool Hedging, int MaxAttempts, TimeSpan InitialBackoff, TimeSpan MaxBackoff, double BackoffMultiplier, TimeSpan HedgingDelay, FrozenSet<StatusCode> Codes)
{
    public static AttemptPolicy? From(MethodConfig config, int? maxAttempts)
    {
        if (config is { RetryPolicy: not null, HedgingPolicy: not null }) throw new InvalidOperationException("Method config can't have a retry policy and hedging policy.");
        var policy = config.RetryPolicy is { } retry ? From(retry) : config.HedgingPolicy is { } hedging ? From(hedging) : null;
        return policy is null ? null : policy with { MaxAttempts = Math.Min(policy.MaxAttempts, maxAttempts ?? int.MaxValue) };
    }

    private static AttemptPolicy From(RetryPolicy policy)
    {
        Require(policy.MaxAttempts > 1, "Retry policy property MaxAttempts must be 2 or more.");
        Require(policy.InitialBackoff > TimeSpan.Zero, "Retry policy property InitialBackoff must be more than zero.");
        Require(policy.MaxBackoff > TimeSpan.Zero, "Retry policy property MaxBackoff must be more than zero.");
        Require(policy.BackoffMultiplier > 0, "Retry policy property BackoffMultiplier must be more than zero.");
        Require(policy.RetryableStatusCodes.Count > 0, "Retry policy must specify at least 1 retryable status code.");
        return new AttemptPolicy(
            false, policy.MaxAttempts!.Value, policy.InitialBackoff!.Value, policy.MaxBackoff!.Value, policy.BackoffMultiplier!.Value, TimeSpan.Zero, policy.RetryableStatusCodes.ToFrozenSet());
    }

    private static AttemptPolicy From(HedgingPolicy policy)
    {
        Require(policy.MaxAttempts > 1, "Hedging policy property MaxAttempts must be 2 or more.");
        Require(policy.HedgingDelay is null || policy.HedgingDelay >= TimeSpan.Zero, "Hedging policy property HedgingDelay must not be negative.");
        return new AttemptPolicy(
            true, policy.MaxAttempts!.Value, TimeSpan.Zero, TimeSpan.Zero, 1, policy.HedgingDelay ?? TimeSpan.Zero, policy.NonFatalStatusCodes.ToFrozenSet());
    }

    private static void Require(bool condition, string message)
    {
        if (!condition) throw new InvalidOperationException(message);
    }
}

/// <summary>A service configuration's policies by method.</summary>
internal sealed class PolicyTable
{
    private readonly Dictionary<string, AttemptPolicy?> _policies = new(StringComparer.Ordinal);

    public PolicyTable(ServiceConfig? config, int? maxAttempts)
    {
        if (config is null) return;
        if (config.RetryThrottling is { } throttling) Throttle = RetryThrottle.From(throttling);
        foreach (var method in config.MethodConfigs)
        {
            var policy = AttemptPolicy.From(method, maxAttempts);
            foreach (var name in method.Names)
            {
                if (!_policies.TryAdd(Key(name.Service, name.Method), policy))
                {
                    throw new InvalidOperationException($"Duplicate method config found. Service: '{name.Service}', method: '{name.Method}'.");
                }
            }
        }
    }

    public RetryThrottle? Throttle { get; }

    /// <summary>That of the method, else of its service, else of all.</summary>
    public AttemptPolicy? Find(IMethod method) =>
        _policies.TryGetValue(Key(method.ServiceName, method.Name), out var policy)
        || _policies.TryGetValue(Key(method.ServiceName, null), out policy)
        || _policies.TryGetValue(Key(null, null), out policy) ? policy : null;

    private static string Key(string? service, string? method)
    {
        if (string.IsNullOrEmpty(service) && !string.IsNullOrEmpty(method)) throw new InvalidOperationException($"The method config for '{method}' names no service.");
        return $"/{service}/{method}";
    }
}
