// The runtime asks for this very name, outside any namespace.

/// <summary>Runs inside a program that is started with DOTNET_STARTUP_HOOKS, and lets it say its peak of memory when it ends.</summary>
internal static class StartupHook
{
    /// <summary>What stands before the number of KiB.</summary>
    public const string Label = "peak resident KiB: ";

    private const string Field = "VmHWM:";

    /// <summary>Called by the runtime before the program's own start.</summary>
    public static void Initialize() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        var line = File.ReadLines("/proc/self/status").Single(l => l.StartsWith(Field, StringComparison.Ordinal));
        Console.Out.WriteLine(Label + line[Field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim());
    };
}
