using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Mesh.Cli.Serving;

/// <summary><c>mesh key</c>: draws an API key; the mesh is told its hash alone.</summary>
internal static partial class KeyCommand
{
    private const int KeyBytes = 24;

    public static Command Create()
    {
        var name = new Argument<string>("NAME") { Description = "Whose it is; it names the caller in limits, logs and errors." };
        var command = new Command("key", "Draw an API key and print what to put under Mesh:Keys for it.") { name };
        command.SetAction(words => Run(words.GetRequiredValue(name), words.InvocationConfiguration.Output));
        return command;
    }

    private static int Run(string name, TextWriter output)
    {
        if (!Name().IsMatch(name)) throw new ArgumentException($"{name}: a name has 1 to 64 letters, digits, dots, dashes or underscores");
        var key = "mesh-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(KeyBytes));
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
        output.WriteLine($"key:    {key}   (shown once: it is --key and MESH_KEY, and the bearer token)");
        output.WriteLine($"config: {JsonSerializer.Serialize(new { Mesh = new { Keys = new[] { new { Name = name, Sha256 = hash } } } })}");
        return ExitCode.Done;
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    private static partial Regex Name();
}
