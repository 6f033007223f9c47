using System.Text;
using System.Text.Json;

namespace Mesh.Training.Runs;

/// <summary>Where a run keeps what it makes: <c>config.yaml</c>, <c>stats.jsonl</c>, <c>checkpoints/</c>, <c>samples/</c>, <c>result/</c>.</summary>
public sealed class RunFolder
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private static readonly string[] Lines = ["stats.jsonl", "samples.jsonl"];

    private readonly Action _beforeWrite;

    /// <summary>A run's folder, which need not be there yet.</summary>
    /// <param name="path">Where.</param>
    /// <param name="beforeWrite">Called before anything is written; throws where the run is no longer this process's.</param>
    public RunFolder(string path, Action? beforeWrite = null)
    {
        Path = System.IO.Path.GetFullPath(path);
        _beforeWrite = beforeWrite ?? (() => { });
        Checkpoints = new CheckpointStore(System.IO.Path.Combine(Path, "checkpoints"), _beforeWrite);
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>Its checkpoints.</summary>
    public CheckpointStore Checkpoints { get; }

    /// <summary>Where the finished product goes.</summary>
    public string Result => System.IO.Path.Combine(Path, "result");

    /// <summary>The resolved configuration's file.</summary>
    public string ConfigPath => System.IO.Path.Combine(Path, "config.yaml");

    /// <summary>Makes sure that the run is still this process's, before something is written that this class does not write.</summary>
    public void Check() => _beforeWrite();

    /// <summary>Keeps the resolved configuration, before anything else; a resumed run must have the same.</summary>
    /// <exception cref="InvalidOperationException">Another configuration lies there, so that the checkpoints beside it are another run's.</exception>
    public void SaveConfig(string yaml)
    {
        if (File.Exists(ConfigPath) && Checkpoints.Any)
        {
            if (File.ReadAllText(ConfigPath) != yaml)
                throw new InvalidOperationException($"{ConfigPath} is another configuration than this run's: use another folder, or remove it with its checkpoints");
            return;
        }

        WriteWhole(ConfigPath, Encoding.UTF8.GetBytes(yaml));
    }

    /// <summary>Adds a line to <c>stats.jsonl</c>.</summary>
    public void AppendStats(TickPassed tick) => Append("stats.jsonl", JsonSerializer.Serialize(tick, Json));

    /// <summary>Adds a line to <c>samples.jsonl</c>.</summary>
    public void AppendSamples(SamplesWritten samples) => Append("samples.jsonl", JsonSerializer.Serialize(samples, Json));

    /// <summary>Drops the lines of steps after a checkpoint, which are about to be made again.</summary>
    public void CutStats(long step)
    {
        foreach (var path in Lines.Select(n => System.IO.Path.Combine(Path, n)).Where(File.Exists))
        {
            var kept = File.ReadLines(path).Where(line => line.EndsWith('}') && StepOf(line) <= step).ToList();
            WriteWhole(path, Encoding.UTF8.GetBytes(string.Concat(kept.Select(l => l + "\n"))));
        }
    }

    /// <summary>Writes a sample picture and gives its path.</summary>
    public string WriteSample(long step, byte[] png)
    {
        var path = System.IO.Path.Combine(Path, "samples", $"{step:D8}.png");
        WriteWhole(path, png);
        return path;
    }

    /// <summary>Writes a file whole or not at all.</summary>
    public void WriteWhole(string path, ReadOnlySpan<byte> content)
    {
        _beforeWrite();
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        var temporary = $"{path}.{Guid.NewGuid():n}.tmp";
        try
        {
            using (var file = new FileStream(temporary, FileMode.CreateNew))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private void Append(string name, string line)
    {
        _beforeWrite();
        Directory.CreateDirectory(Path);
        File.AppendAllText(System.IO.Path.Combine(Path, name), line + "\n");
    }

    private static long StepOf(string line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.GetProperty("step").GetInt64();
    }
}
