using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Threading.Channels;

namespace Mesh.Testing;

/// <summary>
/// A program that a test starts, such as a server in another language. It is told to end when its standard input closes
/// (also when the test process dies), and it and all that it started are killed on dispose.
/// </summary>
public sealed class ChildProgram : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly StringBuilder _errors = new();
    private readonly Task _pump;

    private ChildProgram(Process process)
    {
        (_process, Id) = (process, process.Id);
        _pump = Task.WhenAll(PumpOutputAsync(), PumpErrorsAsync());
    }

    /// <summary>What it wrote to standard error so far.</summary>
    public string Errors
    {
        get
        {
            lock (_errors)
                return _errors.ToString();
        }
    }

    /// <summary>The process id.</summary>
    public int Id { get; }

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>Starts a program.</summary>
    /// <param name="file">A full path, or a name to find on PATH.</param>
    /// <param name="arguments">Its arguments, passed as they are.</param>
    /// <param name="folder">The folder to run in; the test's own where null.</param>
    /// <param name="environment">Variables to set beside the inherited ones.</param>
    /// <exception cref="InvalidOperationException">The program is not there; the message says what to install.</exception>
    public static ChildProgram Start(
        string file, IEnumerable<string> arguments, string? folder = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? "",
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        try
        {
            return new ChildProgram(Process.Start(start)!);
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"'{file}' does not start ({e.Message}). Run './mesh doctor' to see what to install.", e);
        }
    }

    /// <summary>Runs a program to its end, for five minutes at most, and returns what it wrote to standard output.</summary>
    /// <inheritdoc cref="Start" path="/param"/>
    /// <exception cref="InvalidOperationException">It ended with another code than 0; the message holds its standard error.</exception>
    public static async Task<IReadOnlyList<string>> RunAsync(
        string file, IEnumerable<string> arguments, string? folder = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        await using var program = Start(file, arguments, folder, environment);
        var lines = new List<string>();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        await foreach (var line in program.ReadLinesAsync(limit.Token).ConfigureAwait(false))
            lines.Add(line);
        var code = await program.WaitForExitAsync().ConfigureAwait(false);
        return code == 0 ? lines : throw program.Failed($"ended with code {code} after:\n{string.Join('\n', lines)}");
    }

    /// <summary>The next line of standard output.</summary>
    /// <exception cref="InvalidOperationException">The program ended instead; the message holds its standard error.</exception>
    public async Task<string> ReadLineAsync()
    {
        try
        {
            return await _lines.Reader.ReadAsync().DefaultTimeout();
        }
        catch (ChannelClosedException)
        {
            await _pump.DefaultTimeout();
            throw Failed("ended before it wrote the line that the test waits for");
        }
    }

    /// <summary>All lines of standard output that are left, until the program closes it.</summary>
    public IAsyncEnumerable<string> ReadLinesAsync(CancellationToken cancellation = default) => _lines.Reader.ReadAllAsync(cancellation);

    /// <summary>The lines of standard output that were not read yet, without waiting for more.</summary>
    public IReadOnlyList<string> TakeLines()
    {
        var lines = new List<string>();
        while (_lines.Reader.TryRead(out var line)) lines.Add(line);
        return lines;
    }

    /// <summary>Closes standard input, which asks the program to end.</summary>
    public void CloseInput() => _process.StandardInput.Close();

    /// <summary>Waits for the end; returns the exit code.</summary>
    public async Task<int> WaitForExitAsync()
    {
        await Task.WhenAll(_process.WaitForExitAsync(), _pump).DefaultTimeout();
        return _process.ExitCode;
    }

    /// <summary>Kills the program and all that it started.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            Kill();
        await Task.WhenAll(_process.WaitForExitAsync(), _pump).DefaultTimeout();
        _process.Dispose();
    }

    private InvalidOperationException Failed(string what) =>
        new($"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)} {what}\n{Errors}");

    private async Task PumpOutputAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync().ConfigureAwait(false) is { } line)
            _lines.Writer.TryWrite(line);
        _lines.Writer.Complete();
    }

    private async Task PumpErrorsAsync()
    {
        while (await _process.StandardError.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            lock (_errors)
                _errors.AppendLine(line);
        }
    }
}
