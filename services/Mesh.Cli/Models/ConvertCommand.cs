using System.CommandLine;
using Mesh.Models.Weights;

namespace Mesh.Cli.Models;

/// <summary><c>mesh models convert</c>: reads the tensors of a PyTorch file without running anything in it, and writes safetensors.</summary>
internal static class ConvertCommand
{
    public static Command Create()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "A file that torch.save wrote of a flat dictionary of tensors (.bin, .pt, .pth, .ckpt)." };
        var output = new Option<FileInfo?>("--out") { Description = "The safetensors file. Default: beside FILE, with that extension." };
        var force = new Option<bool>("--force") { Description = "Replace the output where it exists." };
        var command = new Command("convert", "Turn a PyTorch file into safetensors.") { file, output, force };
        command.SetAction(parsed => Run(parsed.GetValue(file)!.FullName, parsed.GetValue(output)?.FullName, parsed.GetValue(force),
            parsed.InvocationConfiguration.Output));
        return command;
    }

    private static int Run(string file, string? output, bool force, TextWriter console)
    {
        string target = output ?? Path.ChangeExtension(file, ".safetensors");
        if (File.Exists(target) && !force)
            throw new IOException($"{target} exists already: name another with --out, or replace it with --force");
        using var archive = TorchArchive.Open(file);
        var entries = archive.Entries;
        string hash = archive.Convert(target);
        console.WriteLine($"{target}: {entries.Count} tensors, {entries.Values.Sum(e => e.Count):N0} numbers, sha256 {hash}");
        return ExitCode.Done;
    }
}
