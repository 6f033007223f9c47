using System.Text.Json;

namespace Mesh.Testing;

/// <summary>What a client program found in one scenario.</summary>
/// <param name="Scenario">The scenario's name.</param>
/// <param name="Ok">Whether it went as it should.</param>
/// <param name="Error">What went wrong.</param>
public sealed record ScenarioResult(string Scenario, bool Ok, string? Error);

/// <summary>Runs a client program of tests/interop, which reports one line of JSON a scenario.</summary>
public static class ScenarioRun
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    /// <summary>Runs a program to its end.</summary>
    /// <param name="language">Its language.</param>
    /// <param name="program">Its name.</param>
    /// <param name="settings">What it reads from the file that it is given.</param>
    /// <returns>What it reported, by scenario.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message holds its standard error.</exception>
    public static async Task<IReadOnlyDictionary<string, ScenarioResult>> RunAsync(Language language, string program, object settings)
    {
        using var folder = new TempFolder();
        var file = folder.File("settings.json");
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(settings)).ConfigureAwait(false);
        await using var client = await InteropProgram.StartAsync(language, program, file).ConfigureAwait(false);
        using var limit = new CancellationTokenSource(Limit);
        var results = new Dictionary<string, ScenarioResult>();
        await foreach (var line in client.ReadLinesAsync(limit.Token).ConfigureAwait(false))
        {
            var result = JsonSerializer.Deserialize<ScenarioResult>(line, JsonSerializerOptions.Web)!;
            results[result.Scenario] = result;
        }
        var code = await client.WaitForExitAsync().ConfigureAwait(false);
        return code == 0 ? results : throw new InvalidOperationException($"The {language} program {program} ended with code {code}:\n{client.Errors}");
    }
}
