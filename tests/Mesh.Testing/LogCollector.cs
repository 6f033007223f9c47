using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Mesh.Testing;

/// <summary>One line that something logged.</summary>
/// <param name="Category">The logger's category.</param>
/// <param name="Level">How grave.</param>
/// <param name="Event">The event's id and name.</param>
/// <param name="Message">The formatted text.</param>
/// <param name="Exception">What was thrown, where something was.</param>
public sealed record LogLine(string Category, LogLevel Level, EventId Event, string Message, Exception? Exception)
{
    public override string ToString() => Exception is null ? $"{Level} {Category}: {Message}" : $"{Level} {Category}: {Message}\n{Exception}";
}

/// <summary>Keeps the warnings and errors that a host logs, and fails the test over errors that it did not expect.</summary>
public sealed class LogCollector : ILoggerProvider
{
    private readonly ConcurrentQueue<LogLine> _lines = new();
    private readonly ConcurrentQueue<Func<LogLine, bool>> _expected = new();

    /// <summary>All lines so far, in order.</summary>
    public IReadOnlyCollection<LogLine> Lines => _lines;

    /// <summary>Errors that match do not fail the test.</summary>
    public void Expect(Func<LogLine, bool> match) => _expected.Enqueue(match);

    /// <summary>Errors with this exception do not fail the test.</summary>
    public void Expect<TException>() where TException : Exception => Expect(line => line.Exception is TException);

    /// <summary>Throws when a line at level Error or above was logged that no <see cref="Expect(Func{LogLine, bool})"/> names.</summary>
    public void ThrowOnErrors()
    {
        var errors = _lines.Where(line => line.Level >= LogLevel.Error && !_expected.Any(match => match(line))).ToList();
        if (errors.Count > 0)
            throw new InvalidOperationException($"{errors.Count} unexpected error(s) logged:\n{string.Join('\n', errors)}");
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(LogCollector collector, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Warning and < LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            collector._lines.Enqueue(new LogLine(category, logLevel, eventId, formatter(state, exception), exception));
    }
}
