using Spectre.Console;

namespace Mesh.Cli.Serving;

/// <summary>Tells a person at a terminal from a file or a pipe.</summary>
internal static class Terminal
{
    private const int WideEnough = 240;

    /// <summary>A console over the command's output: with colours and moving parts at a terminal, plain lines elsewhere.</summary>
    public static IAnsiConsole Over(TextWriter output)
    {
        if (ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected) return AnsiConsole.Console;
        var plain = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No, Out = new AnsiConsoleOutput(output),
        });
        plain.Profile.Width = WideEnough;
        return plain;
    }

    /// <summary>Runs work that says what it is doing: beside a moving mark at a terminal, nowhere else.</summary>
    public static Task<int> WorkAsync(IAnsiConsole console, string begin, Func<Action<string>, Task<int>> work) =>
        console.Profile.Capabilities.Interactive
            ? console.Status().StartAsync(Markup.Escape(begin), status => work(text => status.Status(Markup.Escape(text))))
            : work(_ => { });

    /// <summary>A line without markup.</summary>
    public static void Line(this IAnsiConsole console, string text) => console.Write(new Text(text + Environment.NewLine));
}
