using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Mesh.Models.Hub;

/// <summary>What a HEAD request says of a file.</summary>
/// <param name="Hash">SHA-256 or git's blob name.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Content">Where the bytes are; may expire soon.</param>
internal sealed record HubFileHead(string Hash, long Size, Uri Content);

/// <summary>The hub's questions and answers: which commit a revision is, which files a commit has, where a file's bytes are.</summary>
internal sealed class HubApi(HubOptions options, HubHttp http)
{
    private const int MaxAnswerBytes = 32 << 20;
    private const int MaxPages = 1000;
    private const int MaxRedirects = 5;

    /// <summary>The commit that a revision is now.</summary>
    public async Task<string> ResolveAsync(HubRepository repository, CancellationToken cancellationToken)
    {
        var address = Address($"api/models/{repository.Id}/revision/{Uri.EscapeDataString(repository.Revision)}");
        using var json = (await GetJsonAsync(address, $"{repository.Id}@{repository.Revision}", cancellationToken).ConfigureAwait(false)).Document;
        string? sha = json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("sha", out var value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return sha is not null && HubRepository.IsCommit(sha)
            ? sha
            : throw new HubException(HubFault.Protocol, $"{options.Endpoint.Host} names no commit for {repository.Id}@{repository.Revision}");
    }

    /// <summary>All files of a commit.</summary>
    public async Task<IReadOnlyList<HubFile>> ListAsync(HubRepository repository, string commit, CancellationToken cancellationToken)
    {
        var files = new Dictionary<string, HubFile>(StringComparer.Ordinal);
        Uri? page = Address($"api/models/{repository.Id}/tree/{commit}?recursive=true");
        for (int pages = 0; page is not null; pages++)
        {
            if (pages == MaxPages)
                throw new HubException(HubFault.Protocol, $"the list of {repository.Id}'s files does not end");
            var (json, next) = await GetJsonAsync(page, repository.Id, cancellationToken).ConfigureAwait(false);
            using (json)
            {
                if (json.RootElement.ValueKind != JsonValueKind.Array)
                    throw new HubException(HubFault.Protocol, $"the list of {repository.Id}'s files is no list");
                foreach (var entry in json.RootElement.EnumerateArray())
                    AddEntry(files, entry, repository);
            }
            page = next;
        }
        return [.. files.Values.OrderBy(f => f.Path, StringComparer.Ordinal)];
    }

    /// <summary>Asks for a file without fetching it. Redirects by a path alone (renamed repositories) are followed; the one to the store of large files is not.</summary>
    public Task<HubFileHead> HeadAsync(HubRepository repository, string commit, HubFile file, CancellationToken cancellationToken)
    {
        string what = $"{repository.Id}/{file.Path}";
        return http.RetryAsync(what, () => HeadOnceAsync(repository, commit, file, what, cancellationToken), cancellationToken);
    }

    private async Task<HubFileHead> HeadOnceAsync(HubRepository repository, string commit, HubFile file, string what, CancellationToken cancellationToken)
    {
        string path = string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString));
        var address = Address($"{repository.Id}/resolve/{commit}/{path}");
        for (int redirects = 0; ; redirects++)
        {
            using var response = await http.SendAsync(HttpMethod.Head, address, 0, cancellationToken).ConfigureAwait(false);
            var redirect = HubHttp.Redirect(response, address);
            if (redirect is { IsRelative: true } moved)
            {
                if (redirects == MaxRedirects)
                    throw new HubException(HubFault.Protocol, $"{what} is redirected in circles");
                address = moved.Target;
                continue;
            }
            if (redirect is null && response.StatusCode != HttpStatusCode.OK)
                throw HubHttp.Refusal(response, what);
            return Head(response, redirect?.Target ?? address, commit, what);
        }
    }

    private static HubFileHead Head(HttpResponseMessage response, Uri content, string commit, string what)
    {
        string? at = HubHttp.Header(response, "X-Repo-Commit");
        if (at is not null && at != commit)
            throw new HubException(HubFault.Protocol, $"{what} is of the commit {at}, not of {commit}");
        string? tag = HubHttp.Header(response, "X-Linked-Etag") ?? HubHttp.Header(response, "ETag");
        string? hash = tag is null ? null : (tag.StartsWith("W/", StringComparison.Ordinal) ? tag[2..] : tag).Trim('"');
        string? size = HubHttp.Header(response, "X-Linked-Size") ?? HubHttp.Header(response, "Content-Length");
        if (!HubFile.IsHash(hash) || !long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes))
            throw new HubException(HubFault.Protocol, $"{what} is announced without its hash or its size");
        return new HubFileHead(hash!, bytes, content);
    }

    private static void AddEntry(Dictionary<string, HubFile> files, JsonElement entry, HubRepository repository)
    {
        if (entry.ValueKind != JsonValueKind.Object || Text(entry, "type") is not ("file" or "directory"))
            throw new HubException(HubFault.Protocol, $"the list of {repository.Id}'s files holds something else");
        if (Text(entry, "type") == "directory")
            return;
        string? path = Text(entry, "path");
        bool isLarge = entry.TryGetProperty("lfs", out var lfs) && lfs.ValueKind == JsonValueKind.Object;
        string? hash = isLarge ? Text(lfs, "oid") : Text(entry, "oid");
        if (path is null || !HubRepository.IsSafePath(path))
            throw new HubException(HubFault.Protocol, $"{repository.Id} holds a file whose path leads elsewhere: {Weights.WeightFileException.Quote(path ?? "")}");
        bool hasSize = entry.TryGetProperty("size", out var size) && size.ValueKind == JsonValueKind.Number && size.TryGetInt64(out _);
        if (!hasSize || size.GetInt64() < 0 || !HubFile.IsHash(hash))
            throw new HubException(HubFault.Protocol, $"{repository.Id}/{path} is listed without its hash or its size");
        if (!files.TryAdd(path, new HubFile(path, size.GetInt64(), hash!)))
            throw new HubException(HubFault.Protocol, $"{repository.Id}/{path} is listed twice");
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private Uri Address(string path) => new($"{options.Endpoint.AbsoluteUri.TrimEnd('/')}/{path}");

    private Task<(JsonDocument Document, Uri? Next)> GetJsonAsync(Uri address, string what, CancellationToken cancellationToken) =>
        http.RetryAsync(what, () => GetJsonOnceAsync(address, what, cancellationToken), cancellationToken);

    private async Task<(JsonDocument Document, Uri? Next)> GetJsonOnceAsync(Uri address, string what, CancellationToken cancellationToken)
    {
        for (int redirects = 0; ; redirects++)
        {
            using var response = await http.SendAsync(HttpMethod.Get, address, 0, cancellationToken).ConfigureAwait(false);
            if (HubHttp.Redirect(response, address) is { } redirect)
            {
                if (redirects == MaxRedirects || !http.IsEndpoint(redirect.Target))
                    throw new HubException(HubFault.Protocol, $"{what} is redirected in circles or to another host");
                address = redirect.Target;
                continue;
            }
            if (response.StatusCode != HttpStatusCode.OK)
                throw HubHttp.Refusal(response, what);
            byte[] body = await http.ReadAllAsync(response, MaxAnswerBytes, cancellationToken).ConfigureAwait(false);
            try
            {
                return (JsonDocument.Parse(body), NextPage(response, address));
            }
            catch (JsonException e)
            {
                throw new HubException(HubFault.Protocol, $"{address.Host} answers about {what} something that is not JSON", e);
            }
        }
    }

    /// <summary>The address under <c>rel="next"</c> of a Link header, which must stay on the hub.</summary>
    private Uri? NextPage(HttpResponseMessage response, Uri address)
    {
        foreach (string link in (HubHttp.Header(response, "Link") ?? "").Split(','))
        {
            int open = link.IndexOf('<', StringComparison.Ordinal), close = link.IndexOf('>', StringComparison.Ordinal);
            if (open < 0 || close < open || !link[close..].Contains("rel=\"next\"", StringComparison.Ordinal))
                continue;
            if (!Uri.TryCreate(address, link[(open + 1)..close], out var next) || !http.IsEndpoint(next))
                throw new HubException(HubFault.Protocol, $"{address.Host} continues its list on another host");
            return next;
        }
        return null;
    }
}
