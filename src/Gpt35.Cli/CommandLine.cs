using System.CommandLine;
using System.CommandLine.Help;
using System.Reflection;

namespace Gpt35.Cli;

/// <summary>What a command ended with.</summary>
internal static class ExitCode
{
    public const int Done = 0, Bug = 1, UserInput = 2, Cancelled = 130;
}

/// <summary>Parses a command line, runs its verb, and turns what goes wrong into one message and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Options that every verb accepts.</summary>
    public const string Quiet = "--quiet", Threads = "--threads";

    /// <summary>Runs a command line to its exit code; never throws.</summary>
    public static int Run(IReadOnlyList<string> args, Session session)
    {
        try
        {
            return Execute(args, session);
        }
        catch (OperationCanceledException e)
        {
            session.Error.WriteLine(e is StoppedException ? e.Message : "Stopped.");
            return ExitCode.Cancelled;
        }
        catch (Exception e) when (IsUserInput(e))
        {
            session.Error.WriteLine(e.Message);
            return ExitCode.UserInput;
        }
        catch (Exception e)
        {
            session.Error.WriteLine($"This is a bug in gpt35 {Version}; please report it with the lines below.");
            session.Error.WriteLine(e);
            return ExitCode.Bug;
        }
    }

    /// <summary>Runs a command line and lets failures through, so that a verb can run other verbs.</summary>
    /// <exception cref="UsageException">The command line itself is wrong.</exception>
    public static int Execute(IReadOnlyList<string> args, Session session)
    {
        var root = CreateRoot(session);
        // A prompt may well begin with '@', which would otherwise name a file of further arguments.
        var parsed = root.Parse([.. args], new ParserConfiguration { ResponseFileTokenReplacer = null });
        var output = new InvocationConfiguration
        {
            Output = session.Out,
            Error = session.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,                    // Ctrl-C is the session's business
        };
        if (args.Count == 0) return root.Parse(["--help"]).Invoke(output);
        var isHelp = parsed.Action is HelpAction;
        if (parsed.Errors.Count > 0 && !isHelp) throw new UsageException(UsageErrors.Describe(parsed));
        return parsed.Invoke(output);
    }

    public static string Version { get; } =
        typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static RootCommand CreateRoot(Session session)
    {
        var root = Program.Verbs(session);
        root.Options.Add(new Option<bool>(Quiet, "-q") { Description = "Print results and errors only.", Recursive = true });
        root.Options.Add(new Option<int>(Threads)
        {
            Description = "Threads for the maths; 0 takes all cores.",
            Recursive = true,
            Hidden = true,
        }.AtLeast(0));
        if (root.Options.OfType<HelpOption>().Single().Action is HelpAction help) help.MaxWidth = session.Width;
        return root;
    }

    private static bool IsUserInput(Exception e) => e is UsageException or InvalidDataException or IOException or UnauthorizedAccessException;
}

/// <summary>The command line cannot be understood; the message says what to type instead.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The user stopped a command; the message says what is saved and how to go on.</summary>
internal sealed class StoppedException(string howToGoOn) : OperationCanceledException(howToGoOn);
