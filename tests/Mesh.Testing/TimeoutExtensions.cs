using System.Runtime.CompilerServices;

namespace Mesh.Testing;

/// <summary>Gives each await in a test an end, so that a hang is a failure with a place and not a stuck run.</summary>
public static class TimeoutExtensions
{
    /// <summary>How long a test waits for one thing: far longer than any takes on a busy machine.</summary>
    public static TimeSpan Default { get; } = TimeSpan.FromSeconds(60);

    /// <summary>Waits for <paramref name="task"/>, at most <see cref="Default"/>.</summary>
    /// <exception cref="TimeoutException">The task did not end in time; the message names the waiting line.</exception>
    public static async Task DefaultTimeout(this Task task, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentNullException.ThrowIfNull(task);
        await Task.WhenAny(task, Task.Delay(Default)).ConfigureAwait(false);
        if (!task.IsCompleted)
            throw TimedOut(file, line);
        await task.ConfigureAwait(false);
    }

    /// <inheritdoc cref="DefaultTimeout(Task, string, int)"/>
    public static async Task<T> DefaultTimeout<T>(this Task<T> task, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        await DefaultTimeout((Task)task, file, line).ConfigureAwait(false);
        return await task.ConfigureAwait(false);
    }

    /// <inheritdoc cref="DefaultTimeout(Task, string, int)"/>
    public static Task DefaultTimeout(this ValueTask task, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        DefaultTimeout(task.AsTask(), file, line);

    /// <inheritdoc cref="DefaultTimeout(Task, string, int)"/>
    public static Task<T> DefaultTimeout<T>(this ValueTask<T> task, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        DefaultTimeout(task.AsTask(), file, line);

    private static TimeoutException TimedOut(string file, int line) =>
        new($"Nothing came within {Default.TotalSeconds:F0} s at {Path.GetFileName(file)}:{line}.");
}
