using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Grpc.Core;
using Mesh.Client;

namespace Mesh.Cli.Up;

/// <summary>Waits until a mesh is ready, and has it make its first image.</summary>
/// <param name="options">How to reach its gateway.</param>
/// <param name="http">The gateway's HTTP address.</param>
/// <param name="tell">Takes messages, a line each.</param>
internal sealed class Arrival(MeshClientOptions options, string http, Action<string> tell)
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(30);

    /// <summary>Asks the gateway until it is ready; tells what is missing whenever that changes.</summary>
    /// <exception cref="IOException">It takes longer than half an hour.</exception>
    public async Task WaitReadyAsync(CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Longest);
        using var client = CreateHttp();
        var (last, why, since) = ("", "its gateway", TimeProvider.System.GetTimestamp());
        try
        {
            while (true)
            {
                var missing = await MissingAsync(client, limit.Token).ConfigureAwait(false);
                if (missing is { Count: 0 }) return;
                if (missing is not null)
                {
                    var names = string.Join(", ", missing.Select(x => x.Name));
                    why = string.Join("; ", missing.Select(x => $"{x.Name} ({x.Why})"));
                    // The names are enough while things move; who waits long wants to know why.
                    if (names != last) (last, since) = Tell(names, names);
                    else if (TimeProvider.System.GetElapsedTime(since) > Patience) (last, since) = Tell(why, names);
                }
                await Task.Delay(Between, limit.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new IOException($"the mesh was not ready within {Longest.TotalMinutes:0} minutes; it was waiting for {why}");
        }

        (string Names, long At) Tell(string text, string names)
        {
            tell($"waiting for {text}");
            return (names, TimeProvider.System.GetTimestamp());
        }
    }

    /// <summary>Makes an image and saves it; a fault is told and no more, for the mesh runs.</summary>
    public async Task MakeFirstAsync(string prompt, string file, CancellationToken cancel)
    {
        var start = TimeProvider.System.GetTimestamp();
        try
        {
            using var client = new MeshClient(options);
            var images = await client.GenerateImagesAsync(new GenerationRequest(prompt) { Seeds = [7] }, cancel).ConfigureAwait(false);
            await images[0].SaveAsync(file, cancel).ConfigureAwait(false);
            tell(string.Create(
                CultureInfo.InvariantCulture, $"first image: {file}, '{prompt}', {TimeProvider.System.GetElapsedTime(start).TotalSeconds:0.00} s"));
        }
        catch (MeshException e) when (e.Code == StatusCode.Unauthenticated && options.ApiKey is null)
        {
            tell("no first image: this mesh asks for an API key; give one with --key or MESH_KEY");
        }
        catch (MeshException e)
        {
            tell($"no first image: {e.Message}");
        }
    }

    /// <summary>What is missing; null: the gateway does not answer yet.</summary>
    private async Task<List<(string Name, string Why)>?> MissingAsync(HttpClient client, CancellationToken cancel)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri($"{http}/readyz"), cancel).ConfigureAwait(false);
            if (answer.IsSuccessStatusCode) return [];
            using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(cancel).ConfigureAwait(false));
            return json.RootElement.TryGetProperty("missing", out var missing) && missing.ValueKind == JsonValueKind.Object
                ? [.. missing.EnumerateObject().Select(x => (x.Name, x.Value.ToString()))]
                : null;
        }
        catch (Exception e) when (e is HttpRequestException or JsonException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return null;
        }
    }

    private HttpClient CreateHttp()
    {
        var handler = new SocketsHttpHandler { UseProxy = false, ConnectTimeout = options.ConnectTimeout };
        if (options.AuthorityFile is { } file)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(file);
            handler.SslOptions.CertificateChainPolicy = policy;
        }
        if (options.CertificateFile is { } certificate)
        {
            using var loaded = X509Certificate2.CreateFromPemFile(certificate, options.CertificateKeyFile);
            var own = X509CertificateLoader.LoadPkcs12(loaded.Export(X509ContentType.Pkcs12), null);
            handler.SslOptions.ClientCertificateContext = SslStreamCertificateContext.Create(own, null, offline: true);
        }
        return new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(10) };
    }
}
