using System.CommandLine;
using Gpt35.Cli.Terminal;
using Gpt35.Kernels;
using Gpt35.Training;
using Spectre.Console;

namespace Gpt35.Cli;

/// <summary>Where a command reads and writes, and how it is stopped.</summary>
internal sealed record Session : IDisposable
{
    /// <summary>Widest line written when nobody says how wide the terminal is.</summary>
    private const int DefaultWidth = 80;

    public required TextReader In { get; init; }
    public required TextWriter Out { get; init; }
    public required TextWriter Error { get; init; }
    /// <summary>Opens standard input where bytes are wanted, not characters.</summary>
    public Func<Stream> OpenInput { get; init; } = System.Console.OpenStandardInput;
    /// <summary>Opens standard output where bytes are wanted, not characters.</summary>
    public Func<Stream> OpenOutput { get; init; } = System.Console.OpenStandardOutput;
    /// <summary><see cref="Out"/> with tables, colour and live progress, as far as it can show them.</summary>
    public required IAnsiConsole Console { get; init; }
    public required Interrupts Interrupts { get; init; }
    /// <summary>Whether somebody sits before it: input and output are both a terminal.</summary>
    public bool Interactive { get; init; }
    /// <summary>Whether output is a terminal that can redraw a line.</summary>
    public bool Live { get; init; }
    public int Width { get; init; } = DefaultWidth;
    public TimeProvider Time { get; init; } = TimeProvider.System;

    public CancellationToken Cancel => Interrupts.Token;

    /// <summary>The session of this process and its terminal. NO_COLOR and TERM=dumb are respected.</summary>
    public static Session OfProcess()
    {
        var terminal = !System.Console.IsOutputRedirected;
        if (terminal) System.Console.SetOut(new TerminalWriter(System.Console.Out));
        if (!System.Console.IsErrorRedirected) System.Console.SetError(new TerminalWriter(System.Console.Error));
        var plain = !terminal || Environment.GetEnvironmentVariable("TERM") is "dumb";
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = plain ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = plain || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = plain ? InteractionSupport.No : InteractionSupport.Detect,
            Out = new AnsiConsoleOutput(System.Console.Out),
        });
        if (!terminal) console.Profile.Width = DefaultWidth;
        var live = terminal && console.Profile.Capabilities.Ansi;
        return new Session
        {
            In = System.Console.In,
            Out = System.Console.Out,
            Error = System.Console.Error,
            Console = console,
            Interactive = terminal && !System.Console.IsInputRedirected,
            Live = live,
            Width = Math.Max(40, console.Profile.Width),
            Interrupts = Interrupts.OfProcess(() =>
            {
                // mpirun also sends the signal when another rank has died, and then there is no next step.
                if (!Ranks.AreSeveral) System.Console.Error.WriteLine($"{(live ? "\n" : "")}Stopping after this step; the state is saved. Ctrl-C again ends at once.");
            }),
        };
    }

    /// <summary>Prints a line of ordinary output, unless --quiet.</summary>
    public void Say(ParseResult parsed, string line)
    {
        if (!parsed.GetValue<bool>(CommandLine.Quiet)) Out.WriteLine(line);
    }

    /// <summary>The threads that the command's maths runs on.</summary>
    /// <param name="parsed">The command line, with or without --threads.</param>
    /// <param name="otherwise">Threads when it names none; 0 takes all cores.</param>
    public static WorkerPool OpenPool(ParseResult parsed, int otherwise = 0) =>
        new(parsed.GetValue<int>(CommandLine.Threads) is var threads and > 0 ? threads : otherwise);

    public void Dispose() => Interrupts.Dispose();
}
