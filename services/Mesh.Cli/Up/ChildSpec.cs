namespace Mesh.Cli.Up;

/// <summary>A program that is kept running.</summary>
/// <param name="Name">Unique, such as <c>text-2</c>; names it in messages and its log.</param>
/// <param name="Command">The program and its arguments. It ends when its standard input closes.</param>
/// <param name="LogFile">Where its output goes.</param>
internal sealed record ChildSpec(string Name, IReadOnlyList<string> Command, string LogFile)
{
    /// <summary>Set beside the inherited variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether the mesh can start without it.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Those of a lower turn are stopped first: who asks, before who is asked.</summary>
    public int StopTurn { get; init; }
}

/// <summary>A child has ended although nobody told it to.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Code">Its exit code; 128 + the number of the signal that ended it.</param>
/// <param name="LastWords">The end of its log, on one line; empty where it wrote nothing.</param>
internal sealed record ChildExit(string Name, int Code, string LastWords)
{
    private const int SignalBase = 128;
    private const int Abort = 6;

    /// <summary>Whether it was ended from outside; an abort is its own doing.</summary>
    public bool WasKilled => Code > SignalBase && Code != SignalBase + Abort;

    public string Reason => WasKilled ? $"killed by signal {Code - SignalBase}" : LastWords.Length > 0 ? $"exit code {Code}: {LastWords}" : $"exit code {Code}";
}

/// <summary>How long to wait before a child is started again.</summary>
/// <param name="First">After the first end.</param>
/// <param name="Longest">It doubles up to this.</param>
/// <param name="Settled">Who ran this long begins anew.</param>
internal sealed record BackOff(TimeSpan First, TimeSpan Longest, TimeSpan Settled)
{
    public static BackOff Default { get; } = new(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(1));

    /// <summary>The wait after a number of quick ends in a row, this one counted.</summary>
    public TimeSpan After(int quickEnds) => TimeSpan.FromTicks((long)Math.Min(First.Ticks * Math.Pow(2, Math.Max(quickEnds - 1, 0)), Longest.Ticks));
}
