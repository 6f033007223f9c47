using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Mesh.Cli.Up;

/// <summary>One program, started again whenever it ends, until it is told to stop.</summary>
internal sealed partial class Child(ChildSpec spec, BackOff backOff, TimeProvider time) : IDisposable
{
    // Its output goes straight to the file, so that nothing is lost and nothing blocks when this process is gone. In a session of its own it
    // hears no Ctrl-C of the terminal: it ends when told, in turn. 'exec' keeps one process, whose id is the program's.
    private const string Shell = """
        exec >>"$0" 2>&1
        if command -v setsid >/dev/null 2>&1; then exec setsid "$@"; fi
        trap '' INT HUP
        exec "$@"
        """;

    private const int LastWordsBytes = 8192;
    private const int MostLastWords = 8;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Process? _process;
    private Task _exited = Task.CompletedTask;

    /// <summary>Tells each end that nobody asked for, and how long until the next start.</summary>
    public event Action<ChildExit, TimeSpan>? Ended;

    /// <summary>Tells the process id of each start after the first.</summary>
    public event Action<int>? Restarted;

    public ChildSpec Spec => spec;

    /// <summary>Of the running process; null between two.</summary>
    public int? ProcessId
    {
        get
        {
            lock (_gate) return _process?.Id;
        }
    }

    /// <summary>Starts it and keeps it running; ends after <see cref="StopAsync"/>.</summary>
    /// <exception cref="IOException">It cannot be started at all.</exception>
    public async Task RunAsync()
    {
        var quickEnds = 0;
        while (true)
        {
            var started = time.GetTimestamp();
            if (Start() is not { } process) return;
            if (quickEnds > 0) Restarted?.Invoke(process.Id);
            await _exited.ConfigureAwait(false);
            var exit = new ChildExit(spec.Name, process.ExitCode, LastWords());
            lock (_gate)
            {
                _process = null;
                // Closes its input too, on which its helpers wait.
                process.Dispose();
                if (_stop.IsCancellationRequested) return;
            }
            quickEnds = time.GetElapsedTime(started) >= backOff.Settled ? 1 : quickEnds + 1;
            var delay = backOff.After(quickEnds);
            Ended?.Invoke(exit, delay);
            await Task.Delay(delay, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Asks it to end by closing its input, and kills it when it takes too long; it is not started again.</summary>
    /// <returns>Whether it ended by itself.</returns>
    public async Task<bool> StopAsync(TimeSpan limit)
    {
        Task exited;
        lock (_gate)
        {
            _stop.Cancel();
            if (_process is null) return true;
            _process.StandardInput.Close();
            exited = _exited;
        }
        if (await Task.WhenAny(exited, Task.Delay(limit, time)).ConfigureAwait(false) == exited) return true;
        lock (_gate) _process?.Kill(entireProcessTree: true);
        await exited.ConfigureAwait(false);
        return false;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stop.Cancel();
            _process?.Kill(entireProcessTree: true);
        }
        _stop.Dispose();
    }

    private Process? Start()
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", Shell, spec.LogFile, .. spec.Command]) { RedirectStandardInput = true };
        foreach (var (name, value) in spec.Environment) start.Environment[name] = value;
        lock (_gate)
        {
            if (_stop.IsCancellationRequested) return null;
            try
            {
                _process = Process.Start(start)!;
                _exited = _process.WaitForExitAsync();
                return _process;
            }
            catch (Win32Exception e)
            {
                throw new IOException($"{spec.Name} cannot be started: {e.Message}", e);
            }
        }
    }

    private string LastWords()
    {
        if (!File.Exists(spec.LogFile)) return "";
        using var log = new FileStream(spec.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        log.Seek(-Math.Min(log.Length, LastWordsBytes), SeekOrigin.End);
        using var reader = new StreamReader(log);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        // What a program says before it ends is no line of its log, and a stack says little to whoever starts a mesh.
        var words = lines.Reverse().TakeWhile(x => !LogLine().IsMatch(x)).Where(x => !StackLine().IsMatch(x)).Take(MostLastWords).Reverse().ToArray();
        return words.Length > 0 ? string.Join("; ", words) : lines.LastOrDefault() ?? "";
    }

    [GeneratedRegex(@"^(\{|\d{4}-\d\d-\d\dT|\d+:[A-Z] )")]
    private static partial Regex LogLine();

    [GeneratedRegex("^(at |---)")]
    private static partial Regex StackLine();
}
