using System.CommandLine;
using Grpc.Core;
using Mesh.Client;

namespace Mesh.Cli.Serving;

/// <summary>The words that say where the mesh is, for every command that speaks with one.</summary>
internal sealed class MeshConnection
{
    private readonly string _variable;
    private readonly string _default;

    public MeshConnection()
        : this("The mesh", "MESH_ADDRESS", MeshClientOptions.DefaultAddress)
    {
    }

    private MeshConnection(string what, string variable, string usual)
    {
        (_variable, _default) = (variable, usual);
        Address = new("--address") { Description = $"{what}: http://host:port, https://host:port or unix:/path. Default: {variable}, or {usual}." };
    }

    public Option<string?> Address { get; }

    public Option<string?> Key { get; } = new("--key") { Description = "An API key. Default: MESH_KEY." };

    public Option<string?> Authority { get; } = new("--ca") { Description = "A PEM file of the authorities that https trusts in place of the system's." };

    public Option<string?> Certificate { get; } = new("--cert") { Description = "A PEM file of the certificate to show, for mutual TLS." };

    public Option<string?> CertificateKey { get; } = new("--cert-key") { Description = "A PEM file of its private key." };

    public Option<double?> Timeout { get; } = new("--timeout") { Description = "Seconds that the call may take. Default: 300." };

    public IReadOnlyList<Option> All => [Address, Key, Authority, Certificate, CertificateKey, Timeout];

    /// <summary>The same words, for commands that speak with a trainer.</summary>
    public static MeshConnection OfTrainer() => new("A trainer", "MESH_TRAINER", TrainerClient.DefaultAddress);

    public void AddTo(Command command)
    {
        foreach (var option in All) command.Options.Add(option);
    }

    /// <summary>Speaks with the mesh; faults that have a cure are told with it.</summary>
    /// <exception cref="IOException">No mesh answers.</exception>
    /// <exception cref="MeshException">The mesh refused.</exception>
    public async Task<int> UseAsync(ParseResult words, Func<MeshClient, Task<int>> use)
    {
        var options = Read(words);
        using var client = new MeshClient(options);
        try
        {
            return await use(client);
        }
        catch (MeshException e) when (e.Reason == MeshException.Unreachable && e.Code != StatusCode.Unavailable)
        {
            throw new IOException($"no safe connection to {options.Address}: {e.Message} (--ca names the authorities to trust)", e);
        }
        catch (MeshException e) when (e.Reason == MeshException.Unreachable)
        {
            throw new IOException($"no mesh answers at {options.Address}: ./mesh up starts one, --address names another ({e.Message})", e);
        }
        catch (MeshException e) when (e.Code == StatusCode.Unauthenticated)
        {
            throw new IOException($"{e.Message} (give a key with --key or MESH_KEY)", e);
        }
    }

    /// <summary>Speaks with a trainer.</summary>
    /// <exception cref="IOException">No trainer answers.</exception>
    /// <exception cref="MeshException">The trainer refused.</exception>
    public async Task<int> UseTrainerAsync(ParseResult words, Func<TrainerClient, Task<int>> use)
    {
        var options = Read(words);
        using var client = new TrainerClient(options);
        try
        {
            return await use(client);
        }
        catch (MeshException e) when (e.Reason == MeshException.Unreachable)
        {
            throw new IOException($"no trainer answers at {options.Address}: ./mesh up --trainer FOLDER starts one, --address names another ({e.Message})", e);
        }
    }

    private MeshClientOptions Read(ParseResult words)
    {
        var options = new MeshClientOptions
        {
            ApiKey = words.GetValue(Key) ?? Variable("MESH_KEY"),
            AuthorityFile = words.GetValue(Authority),
            CertificateFile = words.GetValue(Certificate),
            CertificateKeyFile = words.GetValue(CertificateKey),
        };
        options.Address = words.GetValue(Address) ?? Variable(_variable) ?? _default;
        if (words.GetValue(Timeout) is { } seconds)
            options.Deadline = seconds is > 0 and <= 604_800 ? TimeSpan.FromSeconds(seconds) : throw new ArgumentException($"{Timeout.Name} {seconds}: seconds, more than 0 and a week at most");
        return options;
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } set ? set : null;
}
