using Microsoft.Extensions.Logging;

namespace Mesh.Hosting.Stages;

internal static partial class StageLog
{
    [LoggerMessage(2001, LogLevel.Information, "Loaded the model {Model} (version {Version}, {Bytes} bytes) in {Seconds:0.00} s.")]
    public static partial void Loaded(ILogger log, string model, string version, long bytes, double seconds);

    [LoggerMessage(2002, LogLevel.Warning, "The model {Model} could not be loaded.")]
    public static partial void LoadFailed(ILogger log, string model, Exception why);

    [LoggerMessage(2003, LogLevel.Warning, "The files of the model {Model} could not be read.")]
    public static partial void ExamineFailed(ILogger log, string model, Exception why);

    [LoggerMessage(2004, LogLevel.Information, "Let the model {Model} go (version {Version}, {Bytes} bytes).")]
    public static partial void Freed(ILogger log, string model, string version, long bytes);

    [LoggerMessage(2005, LogLevel.Information, "The stage {Stage} is ready on {Device} ({Kind}): {Model}, {PerSecond:0.0} pieces of work a second.")]
    public static partial void Ready(ILogger log, string stage, string device, string kind, string model, double perSecond);

    [LoggerMessage(2006, LogLevel.Warning, "The stage {Stage} cannot load its default model yet, and tries again in {Seconds:0} s: {Why}")]
    public static partial void NotReady(ILogger log, string stage, double seconds, string why, Exception? cause);

    [LoggerMessage(2007, LogLevel.Information, "The stage {Stage} is ready; no model is configured for it. {Hint}")]
    public static partial void NothingInstalled(ILogger log, string stage, string hint);
}
