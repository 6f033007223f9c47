using Grpc.Net.Client.Configuration;

namespace Grpc.Net.Client.Calls;

/// <summary>How many bytes of requests a channel, and each of its calls, may keep to send them again.</summary>
internal sealed class RetryBudget(long? total, long? perCall)
{
    private long _used;

    /// <summary>False where there is no room; the call is then no longer repeated.</summary>
    public bool TryReserve(long bytes, long usedByCall)
    {
        if (usedByCall + bytes > perCall) return false;
        if (Interlocked.Add(ref _used, bytes) <= (total ?? long.MaxValue)) return true;
        Release(bytes);
        return false;
    }

    public void Release(long bytes) => Interlocked.Add(ref _used, -bytes);
}

/// <summary>Tokens that failures cost and successes earn back; with half of them gone, nothing is repeated.</summary>
internal sealed class RetryThrottle(int maxTokens, double tokenRatio)
{
    private readonly Lock _lock = new();
    private double _tokens = maxTokens;

    /// <summary>Whether a further attempt may start.</summary>
    public bool Allows
    {
        get
        {
            lock (_lock) return _tokens > maxTokens / 2.0;
        }
    }

    public static RetryThrottle From(RetryThrottlingPolicy policy)
    {
        if (policy.MaxTokens is not > 0) throw new InvalidOperationException("Retry throttling policy property MaxTokens must be more than zero.");
        if (policy.TokenRatio is not > 0) throw new InvalidOperationException("Retry throttling policy property TokenRatio must be more than zero.");
        return new RetryThrottle(policy.MaxTokens.Value, policy.TokenRatio.Value);
    }

    public void Failed()
    {
        lock (_lock) _tokens = Math.Max(0, _tokens - 1);
    }

    public void Succeeded()
    {
        lock (_lock) _tokens = Math.Min(maxTokens, _tokens + tokenRatio);
    }
}
