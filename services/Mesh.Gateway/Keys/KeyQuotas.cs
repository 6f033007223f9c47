using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Keys;

/// <summary>
/// What each key may still do: calls at once, images in a minute and in a day. It is counted in this process, from its start; several
/// gateways count apart. Safe for several threads.
/// </summary>
internal sealed class KeyQuotas(IEnumerable<ApiKeyOptions> keys, TimeProvider time)
{
    /// <summary>Reasons of the ErrorInfo.</summary>
    public const string TooManyCalls = "KEY_IN_FLIGHT_LIMIT";
    public const string TooManyImagesAMinute = "KEY_MINUTE_QUOTA";
    public const string TooManyImagesADay = "KEY_DAY_QUOTA";

    // How soon a call ends cannot be known; a caller that waits this long is not in the way.
    private static readonly TimeSpan CallRetry = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, Account> _accounts = keys.ToDictionary(x => x.Name, x => new Account(x));

    /// <summary>Books a call and its images, or refuses both.</summary>
    /// <param name="caller">The key's name; a caller that has none is not limited here.</param>
    /// <param name="images">Images that the call asks for, at least 0.</param>
    /// <returns>To be disposed at the call's end.</returns>
    /// <exception cref="MeshException">RESOURCE_EXHAUSTED with QuotaFailure, and with RetryInfo where waiting helps.</exception>
    public Lease Admit(string? caller, int images)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(images);
        if (caller is null || !_accounts.TryGetValue(caller, out var account)) return new Lease(null, time, default, 0);
        var now = time.GetUtcNow();
        lock (account)
        {
            account.CheckCalls();
            account.CheckImages(account.Minute, account.Options.ImagesPerMinute, "minute", TooManyImagesAMinute, images, now);
            account.CheckImages(account.Day, account.Options.ImagesPerDay, "24 hours", TooManyImagesADay, images, now);
            account.InFlight++;
            account.Minute.Add(now, images);
            account.Day.Add(now, images);
        }
        return new Lease(account, time, now, images);
    }

    /// <summary>A call that was booked. Images that it does not make can be given back.</summary>
    internal sealed class Lease : IDisposable
    {
        private readonly TimeProvider _time;
        private readonly DateTimeOffset _since;
        private Account? _account;
        private int _images;

        internal Lease(Account? account, TimeProvider time, DateTimeOffset since, int images)
        {
            _account = account;
            _time = time;
            _since = since;
            _images = images;
        }

        /// <summary>Takes images off the bill, at most as many as were booked: they failed, or were made before.</summary>
        public void GiveBack(int images)
        {
            if (_account is not { } account) return;
            lock (account)
            {
                images = Math.Clamp(images, 0, _images);
                _images -= images;
                var now = _time.GetUtcNow();
                if (now - _since < Account.MinuteSpan) account.Minute.Add(_since, -images);
                if (now - _since < Account.DaySpan) account.Day.Add(_since, -images);
            }
        }

        /// <summary>The call has ended.</summary>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref _account, null) is not { } account) return;
            lock (account) account.InFlight--;
        }
    }

    internal sealed class Account(ApiKeyOptions options)
    {
        public static readonly TimeSpan MinuteSpan = TimeSpan.FromMinutes(1);
        public static readonly TimeSpan DaySpan = TimeSpan.FromDays(1);

        public ApiKeyOptions Options { get; } = options;

        public SlidingCount Minute { get; } = new(MinuteSpan);

        public SlidingCount Day { get; } = new(DaySpan);

        public int InFlight { get; set; }

        private string Subject => $"key:{Options.Name}";

        public void CheckCalls()
        {
            if (InFlight >= Options.MaxInFlight)
                throw MeshException.QuotaExceeded(TooManyCalls, Subject, $"Key '{Options.Name}' has its {Options.MaxInFlight} calls in flight.", CallRetry);
        }

        public void CheckImages(SlidingCount count, int? most, string span, string reason, int images, DateTimeOffset now)
        {
            if (most is not { } limit || count.Total(now) + images <= limit) return;
            TimeSpan? retry = images <= limit ? count.UntilAtMost(now, limit - images) : null;
            var words = retry is { } wait
                ? $"Key '{Options.Name}' has {count.Total(now)} of its {limit} images of any {span}; {images} more fit in {Math.Ceiling(wait.TotalSeconds)} s."
                : $"Key '{Options.Name}' may have {limit} images in any {span}; {images} never fit.";
            throw MeshException.QuotaExceeded(reason, Subject, words, retry);
        }
    }
}
