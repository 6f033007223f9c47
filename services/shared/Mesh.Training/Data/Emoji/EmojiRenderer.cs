using System.ComponentModel;
using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Training.Data.Emoji;

/// <summary>Renders drawings at one size.</summary>
public interface IEmojiRenderer
{
    /// <summary>The folder that packages are installed in.</summary>
    string Packages { get; }

    /// <summary>Renders drawings.</summary>
    /// <returns>side x side x 3 bytes each, in their order: RGB, rows from the top, on white.</returns>
    /// <exception cref="DataException">One cannot be drawn.</exception>
    byte[] Render(IReadOnlyList<EmojiDrawing> drawings, int side, CancellationToken cancel);
}

/// <summary>
/// Renders with sharp under Node.js. The packages, and the versions of all that they need, stand in a list that is part of this library; npm installs
/// them into a folder of the run, and they are never part of the project.
/// </summary>
public sealed class NodeEmojiRenderer : IEmojiRenderer
{
    private const string Script = "render.cjs";
    private static readonly string[] Parts = ["package.json", "package-lock.json", Script];
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string _folder;

    private NodeEmojiRenderer(string folder) => _folder = folder;

    /// <inheritdoc/>
    public string Packages => Path.Combine(_folder, "node_modules");

    /// <summary>Installs the packages where they are not there yet.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="DataException">Node.js or npm is not there, or npm failed; the message says how.</exception>
    public static NodeEmojiRenderer Install(string folder, CancellationToken cancel = default)
    {
        Directory.CreateDirectory(folder);
        var changed = false;
        foreach (var part in Parts)
        {
            var content = Part(part);
            var path = Path.Combine(folder, part);
            if (File.Exists(path) && File.ReadAllText(path) == content)
                continue;
            File.WriteAllText(path, content);
            changed = true;
        }

        // npm writes this list of what it installed last of all.
        if (changed || !File.Exists(Path.Combine(folder, "node_modules", ".package-lock.json")))
            Start("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, [], cancel);
        return new NodeEmojiRenderer(folder);
    }

    /// <inheritdoc/>
    public byte[] Render(IReadOnlyList<EmojiDrawing> drawings, int side, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(drawings);
        var bytes = Start("node", [Script, side.ToString(System.Globalization.CultureInfo.InvariantCulture)], _folder, drawings.Select(Line), cancel);
        return bytes.Length == drawings.Count * side * side * 3
            ? bytes
            : throw new DataException($"{Script} gave {bytes.Length} bytes for {drawings.Count} pictures of {side} px");
    }

    /// <summary>What the renderer is told of a drawing: the same text gives the same picture.</summary>
    public static string Line(EmojiDrawing drawing)
    {
        ArgumentNullException.ThrowIfNull(drawing);
        var line = drawing.Svg is { } svg ? new JsonObject { ["svg"] = svg } : new JsonObject { ["file"] = Path.GetFullPath(drawing.File!) };
        return line.ToJsonString(Relaxed);
    }

    private static string Part(string name)
    {
        using var stream = typeof(NodeEmojiRenderer).Assembly.GetManifestResourceStream($"emoji/{name}")
            ?? throw new InvalidOperationException($"{name} is not part of this library");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static byte[] Start(string program, string[] arguments, string folder, IEnumerable<string> lines, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments)
            {
                WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception fault)
        {
            throw new DataException($"'{program}' does not start ({fault.Message}): rendering emoji needs Node.js with npm", fault);
        }

        using var killing = cancel.Register(() => process.Kill(entireProcessTree: true));
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var output = new MemoryStream();
        var reading = process.StandardOutput.BaseStream.CopyToAsync(output, CancellationToken.None);
        Feed(process, lines);
        Task.WaitAll([errors, reading], CancellationToken.None);
        process.WaitForExit();
        cancel.ThrowIfCancellationRequested();
        return process.ExitCode == 0
            ? output.ToArray()
            : throw new DataException($"{program} {arguments[0]} ended with code {process.ExitCode}: {errors.Result.Trim()}");
    }

    private static void Feed(Process process, IEnumerable<string> lines)
    {
        try
        {
            foreach (var line in lines)
                process.StandardInput.Write(line + "\n");
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it had read everything; its exit code and its message say why.
        }
    }
}
