using Mesh.Hosting.Configuration;
using Microsoft.Extensions.Hosting;

namespace Mesh.Hosting;

/// <summary>
/// Ends a process whose parent is gone, however it went. A parent that wants it so sets <c>MESH_PARENT=stdin</c> and holds the other end of
/// the standard input: when that closes, the process drains and ends as on SIGTERM.
/// </summary>
public static class ParentWatch
{
    /// <summary>The environment variable that asks for it; <c>stdin</c> is its only value.</summary>
    public const string Variable = "MESH_PARENT";

    private const string Input = "stdin";

    // Draining has its own limit; beyond it and this nothing is worth waiting for.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>Watches where the environment asks for it; does nothing otherwise.</summary>
    /// <param name="lifetime">Of the service to stop.</param>
    /// <param name="limit">How long stopping may take; the process is cut off some seconds later.</param>
    /// <exception cref="ConfigurationException">The variable has a value that means nothing.</exception>
    public static void Begin(IHostApplicationLifetime lifetime, TimeSpan limit)
    {
        ArgumentNullException.ThrowIfNull(lifetime);
        var asked = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(asked)) return;
        if (asked != Input) throw new ConfigurationException($"{Variable} is '{asked}'; it must be {Input} or absent");
        Begin(Console.OpenStandardInput(), () =>
        {
            lifetime.StopApplication();
            Thread.Sleep(limit + Grace);
            Environment.Exit(ServiceProgram.Failed);
        });
    }

    /// <summary>Calls back, on a thread of its own, when the stream ends or breaks.</summary>
    public static void Begin(Stream input, Action gone)
    {
        // A thread and not a task: nothing that blocks the pool may keep an orphan alive, and this must keep no process alive itself.
        var thread = new Thread(() =>
        {
            var buffer = new byte[256];
            try
            {
                while (input.Read(buffer) > 0)
                {
                }
            }
            catch (IOException)
            {
                // A pipe that breaks has lost its other end as well.
            }
            gone();
        })
        {
            IsBackground = true,
            Name = "parent watch",
        };
        thread.Start();
    }
}
