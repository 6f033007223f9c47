using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Mesh.Models.Hub;

/// <summary>A request failed in a way that another try may mend.</summary>
internal sealed class TransientFaultException(string message, TimeSpan? pause = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What the server asks to wait.</summary>
    public TimeSpan? Pause { get; } = pause;
}

/// <summary>Sends requests: never follows a redirect by itself, gives the token to the endpoint's own host only, tells lasting faults from passing ones.</summary>
internal sealed class HubHttp : IDisposable
{
    private readonly HttpClient _client;
    private readonly HubOptions _options;

    public HubHttp(HubOptions options)
    {
        _options = options;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = options.Patience,
            UseCookies = false,
        };
        _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        _client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("mesh", "1.0"));
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Sends one request and returns when the response's headers are there.</summary>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="address">Where to.</param>
    /// <param name="from">First byte wanted of the content; 0 for all of it.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="TransientFaultException">No connection, a timeout, or a status that asks to try again.</exception>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, Uri address, long from, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, address);
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        if (_options.Token is not null && IsEndpoint(address))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _options.Token);
        if (from > 0)
            request.Headers.Range = new RangeHeaderValue(from, null);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_options.Patience);
        HttpResponseMessage response;
        try
        {
            response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw new TransientFaultException($"{address.Host} cannot be reached: {e.Message}", inner: e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TransientFaultException($"{address.Host} does not answer", inner: e);
        }
        if (response.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)response.StatusCode >= 500)
        {
            using (response)
                throw new TransientFaultException($"{address.Host} answers {(int)response.StatusCode}", RetryAfter(response));
        }
        return response;
    }

    /// <summary>Repeats <paramref name="attempt"/> while it fails transiently, up to the options' number of tries.</summary>
    public async Task<T> RetryAsync<T>(string what, Func<Task<T>> attempt, CancellationToken cancellationToken)
    {
        for (int tries = 1; ; tries++)
        {
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (TransientFaultException e)
            {
                await PauseAsync(what, tries, e, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Waits before another try.</summary>
    /// <exception cref="HubException">There were enough.</exception>
    public async Task PauseAsync(string what, int tries, TransientFaultException fault, CancellationToken cancellationToken)
    {
        if (tries >= _options.MaxTries)
            throw new HubException(HubFault.Network, $"{what} failed {tries} times, last: {fault.Message}", fault);
        var pause = fault.Pause ?? _options.FirstPause * Math.Pow(2, tries - 1);
        await Task.Delay(pause < _options.LongestPause ? pause : _options.LongestPause, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads into <paramref name="buffer"/>; 0 at the end.</summary>
    /// <exception cref="TransientFaultException">The connection broke or fell silent.</exception>
    public async Task<int> ReadAsync(Stream stream, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_options.Patience);
        try
        {
            return await stream.ReadAsync(buffer, patience.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new TransientFaultException($"the connection broke: {e.Message}", inner: e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TransientFaultException("the connection fell silent", inner: e);
        }
    }

    /// <summary>The whole body, which must not be longer than <paramref name="most"/> bytes.</summary>
    public async Task<byte[]> ReadAllAsync(HttpResponseMessage response, int most, CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        using var all = new MemoryStream();
        byte[] buffer = new byte[81920];
        int got;
        while ((got = await ReadAsync(body, buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (all.Length + got > most)
                throw new HubException(HubFault.Protocol, $"{response.RequestMessage?.RequestUri?.Host} answers more than {most} bytes");
            all.Write(buffer, 0, got);
        }
        return all.ToArray();
    }

    /// <summary>Where a redirect leads, and whether it said so by a path alone; null where the response is none.</summary>
    public static (Uri Target, bool IsRelative)? Redirect(HttpResponseMessage response, Uri from)
    {
        if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308))
            return null;
        // Header values are read as text: a path with a leading slash counts as a file's absolute address on Unix.
        string location = Header(response, "Location") ?? throw new HubException(HubFault.Protocol, $"{from.Host} redirects to nowhere");
        bool isRelative = !location.StartsWith("//", StringComparison.Ordinal) && !location.Contains("://", StringComparison.Ordinal);
        if (!Uri.TryCreate(from, location, out var target) || target.Scheme is not ("http" or "https"))
            throw new HubException(HubFault.Protocol, $"{from.Host} redirects to an address that is none");
        if (from.Scheme == "https" && target.Scheme == "http")
            throw new HubException(HubFault.Protocol, $"{from.Host} redirects to {target.Host} without encryption");
        return (target, isRelative);
    }

    /// <summary>A header's text, or null.</summary>
    public static string? Header(HttpResponseMessage response, string name)
    {
        if (response.Headers.NonValidated.TryGetValues(name, out var values) || response.Content.Headers.NonValidated.TryGetValues(name, out values))
            return values.ToString();
        return null;
    }

    /// <summary>What a lasting refusal means.</summary>
    public static HubException Refusal(HttpResponseMessage response, string what)
    {
        string code = Header(response, "X-Error-Code") ?? "";
        string? said = Header(response, "X-Error-Message");
        string why = string.IsNullOrWhiteSpace(said) ? "" : $" ({new string([.. said.Where(c => !char.IsControl(c)).Take(300)])})";
        int status = (int)response.StatusCode;
        return (code, status) switch
        {
            ("GatedRepo", _) => new(HubFault.Gated, $"{what} is gated: accept its terms on its page, then set HF_TOKEN{why}"),
            ("RevisionNotFound", _) => new(HubFault.RevisionNotFound, $"{what}: there is no such revision{why}"),
            ("EntryNotFound", _) => new(HubFault.EntryNotFound, $"{what}: there is no such file{why}"),
            ("RepoNotFound", _) or ("", 401) => new(HubFault.RepositoryNotFound, $"{what} does not exist, or is private and HF_TOKEN may not see it{why}"),
            (_, 401 or 403) => new(HubFault.Unauthorized, $"{what} is refused with status {status}: HF_TOKEN may not read it{why}"),
            (_, 404) => new(HubFault.EntryNotFound, $"{what} is not there{why}"),
            _ => new(HubFault.Protocol, $"{what} is answered with status {status}{why}"),
        };
    }

    /// <summary>Whether the address is the hub's own, scheme, host and port.</summary>
    public bool IsEndpoint(Uri address) => address.Scheme == _options.Endpoint.Scheme && address.Authority == _options.Endpoint.Authority;

    private static TimeSpan? RetryAfter(HttpResponseMessage response) =>
        int.TryParse(Header(response, "Retry-After"), NumberStyles.None, CultureInfo.InvariantCulture, out int seconds) ? TimeSpan.FromSeconds(seconds) : null;
}
