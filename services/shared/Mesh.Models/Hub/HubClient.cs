namespace Mesh.Models.Hub;

/// <summary>What <see cref="HubClient.PullAsync"/> tells while it works.</summary>
/// <param name="File">The file at hand.</param>
/// <param name="Bytes">How much of it is there.</param>
/// <param name="Index">Which file of all, from 1.</param>
/// <param name="Count">How many there are.</param>
public sealed record HubProgress(HubFile File, long Bytes, int Index, int Count);

/// <summary>What was fetched, or found.</summary>
/// <param name="Folder">The snapshot: an ordinary model folder.</param>
/// <param name="Commit">The commit that the revision is.</param>
/// <param name="Files">What was asked for; empty when offline.</param>
public sealed record HubSnapshot(string Folder, string Commit, IReadOnlyList<HubFile> Files);

/// <summary>Fetches models from the hub into the cache that its other clients share.</summary>
public sealed class HubClient : IDisposable
{
    private readonly HubOptions _options;
    private readonly HubHttp _http;

    /// <summary>A client for one hub and one cache.</summary>
    public HubClient(HubOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _http = new HubHttp(options);
    }

    /// <summary>Fetches what <see cref="HubSelection"/> chooses; files that are in the cache already are not fetched again.</summary>
    /// <param name="repository">What to fetch.</param>
    /// <param name="variant">Preferred weights, such as fp16.</param>
    /// <param name="patterns">Only these files; empty for all that a model folder needs.</param>
    /// <param name="progress">Told of each piece that arrives.</param>
    /// <param name="cancellationToken">Stops it; the next call goes on where this one stopped.</param>
    /// <exception cref="HubException">It could not be fetched; <see cref="HubException.Fault"/> says why.</exception>
    public async Task<HubSnapshot> PullAsync(HubRepository repository, string? variant = null, IReadOnlyCollection<string>? patterns = null,
        Action<HubProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(repository);
        var cache = new HubCache(_options.CacheFolder, repository);
        if (_options.IsOffline)
            return FindOffline(repository, cache);
        var api = new HubApi(_options, _http);
        string commit = await api.ResolveAsync(repository, cancellationToken).ConfigureAwait(false);
        var all = await api.ListAsync(repository, commit, cancellationToken).ConfigureAwait(false);
        var files = HubSelection.Choose(all, variant, patterns ?? []);
        var download = new HubDownload(_options, _http, api, cache, repository, commit);
        try
        {
            for (int i = 0; i < files.Count; i++)
            {
                var (file, index) = (files[i], i + 1);
                await download.EnsureAsync(file, bytes => progress?.Invoke(new HubProgress(file, bytes, index, files.Count)), cancellationToken).ConfigureAwait(false);
                cache.Place(commit, file);
                progress?.Invoke(new HubProgress(file, file.Size, index, files.Count));
            }
            cache.Remember(commit);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HubException(HubFault.Storage, $"{_options.CacheFolder} cannot be written: {e.Message}", e);
        }
        return new HubSnapshot(cache.Snapshot(commit), commit, files);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static HubSnapshot FindOffline(HubRepository repository, HubCache cache)
    {
        string folder = cache.Find() ?? throw new HubException(HubFault.Offline,
            $"{repository.Id}@{repository.Revision} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it");
        return new HubSnapshot(folder, Path.GetFileName(folder), []);
    }
}
