using System.Net;
using Mesh.Models.Weights;

namespace Mesh.Models.Hub;

/// <summary>Fetches one file's content into the cache: goes on where an earlier try stopped, and keeps it only when size and hash are right.</summary>
internal sealed class HubDownload(HubOptions options, HubHttp http, HubApi api, HubCache cache, HubRepository repository, string commit)
{
    private const int BufferBytes = 1 << 17;
    private const int MaxRedirects = 5;

    /// <summary>Makes sure that the content is in the cache.</summary>
    /// <param name="file">Which.</param>
    /// <param name="progress">Told how many bytes are there so far.</param>
    /// <param name="cancellationToken">Stops it; what has arrived is kept for the next time.</param>
    public async Task EnsureAsync(HubFile file, Action<long>? progress, CancellationToken cancellationToken)
    {
        if (IsThere(file))
            return;
        using var held = await cache.LockAsync(file.Hash, cancellationToken).ConfigureAwait(false);
        if (IsThere(file))
            return;
        string partial = cache.Partial(file.Hash);
        bool isResumed = File.Exists(partial) && new FileInfo(partial).Length > 0;
        await CollectAsync(file, partial, progress, cancellationToken).ConfigureAwait(false);
        if (!await IsRightAsync(file, partial, cancellationToken).ConfigureAwait(false) && isResumed)
        {
            // What an earlier run left may have been the wrong part.
            File.Delete(partial);
            await CollectAsync(file, partial, progress, cancellationToken).ConfigureAwait(false);
            isResumed = false;
        }
        if (!await IsRightAsync(file, partial, cancellationToken).ConfigureAwait(false))
        {
            File.Delete(partial);
            throw new HubException(HubFault.WrongContent, $"{Name(file)} arrived with another hash than {file.Hash}; it was thrown away");
        }
        File.Move(partial, cache.Blob(file.Hash), overwrite: true);
    }

    private bool IsThere(HubFile file) => new FileInfo(cache.Blob(file.Hash)) is { Exists: true } blob && blob.Length == file.Size;

    private string Name(HubFile file) => $"{repository.Id}/{file.Path}";

    private static async Task<bool> IsRightAsync(HubFile file, string path, CancellationToken cancellationToken)
    {
        string hash = file.Hash.Length == 64
            ? await FileHash.Sha256Async(path, cancellationToken).ConfigureAwait(false)
            : await FileHash.GitBlobAsync(path, cancellationToken).ConfigureAwait(false);
        return hash == file.Hash;
    }

    private async Task CollectAsync(HubFile file, string partial, Action<long>? progress, CancellationToken cancellationToken)
    {
        var target = new FileStream(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, 0, FileOptions.Asynchronous);
        await using (target.ConfigureAwait(false))
        {
            if (target.Length > file.Size)
                target.SetLength(0);
            int tries = 0;
            HubFileHead? head = null;
            while (target.Length < file.Size || head is null && file.Size == 0)
            {
                long before = target.Length;
                try
                {
                    head ??= await AskAsync(file, cancellationToken).ConfigureAwait(false);
                    await FetchAsync(file, head, target, progress, cancellationToken).ConfigureAwait(false);
                }
                catch (TransientFaultException e)
                {
                    // Addresses of contents expire, so each try asks anew.
                    head = null;
                    tries = target.Length > before ? 1 : tries + 1;
                    await http.PauseAsync(Name(file), tries, e, cancellationToken).ConfigureAwait(false);
                }
            }
            target.Flush(flushToDisk: true);
        }
    }

    private async Task<HubFileHead> AskAsync(HubFile file, CancellationToken cancellationToken)
    {
        var head = await api.HeadAsync(repository, commit, file, cancellationToken).ConfigureAwait(false);
        if (head.Size != file.Size || head.Hash != file.Hash)
        {
            throw new HubException(HubFault.WrongContent, $"{Name(file)} is listed with {file.Size} bytes, hash {file.Hash}, "
                + $"but announced with {head.Size} bytes, hash {head.Hash}");
        }
        return head;
    }

    private async Task FetchAsync(HubFile file, HubFileHead head, FileStream target, Action<long>? progress, CancellationToken cancellationToken)
    {
        using var response = await OpenAsync(file, head.Content, target.Length, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.OK)
            target.SetLength(0);
        else
            CheckRange(response, file, target);
        long announced = response.Content.Headers.ContentLength ?? file.Size - target.Length;
        if (target.Length + announced != file.Size)
            throw Wrong(file, target.Length + announced, target);
        target.Seek(0, SeekOrigin.End);
        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[BufferBytes];
        int got;
        while ((got = await http.ReadAsync(body, buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (target.Length + got > file.Size)
                throw Wrong(file, target.Length + got, target);
            try
            {
                await target.WriteAsync(buffer.AsMemory(0, got), cancellationToken).ConfigureAwait(false);
            }
            catch (IOException e)
            {
                throw new HubException(HubFault.Storage, $"{options.CacheFolder} cannot be written: {e.Message}", e);
            }
            progress?.Invoke(target.Length);
        }
        if (target.Length < file.Size)
            throw new TransientFaultException($"the connection ended after {target.Length} of {file.Size} bytes");
    }

    private HubException Wrong(HubFile file, long bytes, FileStream target)
    {
        target.SetLength(0);
        return new HubException(HubFault.WrongContent, $"{Name(file)} arrives with {bytes} bytes or more instead of {file.Size}; it was thrown away");
    }

    /// <summary>Opens the content from byte <paramref name="from"/> on; the store may redirect once more.</summary>
    private async Task<HttpResponseMessage> OpenAsync(HubFile file, Uri address, long from, CancellationToken cancellationToken)
    {
        for (int redirects = 0; redirects <= MaxRedirects; redirects++)
        {
            var response = await http.SendAsync(HttpMethod.Get, address, from, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent)
                return response;
            using (response)
            {
                if (HubHttp.Redirect(response, address) is { } redirect)
                    address = redirect.Target;
                else if (response.StatusCode == HttpStatusCode.Forbidden)
                    throw new TransientFaultException($"{address.Host} answers 403: the address may have expired", TimeSpan.Zero);
                else if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
                    throw new TransientFaultException($"{address.Host} has no byte {from}");
                else
                    throw HubHttp.Refusal(response, Name(file));
            }
        }
        throw new HubException(HubFault.Protocol, $"{Name(file)} is redirected in circles");
    }

    private static void CheckRange(HttpResponseMessage response, HubFile file, FileStream target)
    {
        var range = response.Content.Headers.ContentRange;
        if (range?.From == target.Length && (range.Length ?? file.Size) == file.Size)
            return;
        string said = range?.ToString() ?? "nothing";
        long wanted = target.Length;
        target.SetLength(0);
        throw new TransientFaultException($"byte {wanted} of {file.Size} was asked for, the server says {said}");
    }
}
