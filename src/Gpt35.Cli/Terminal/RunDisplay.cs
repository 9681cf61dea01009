using System.CommandLine;
using Gpt35.Training;

namespace Gpt35.Cli.Terminal;

/// <summary>Runs something long and shows how it goes, in the way that suits whoever is reading.</summary>
internal static class RunDisplay
{
    /// <summary>Runs <paramref name="run"/> with an observer: a moving bar on a terminal, a line now and then where output is redirected, JSON lines for a program, nothing with --quiet.</summary>
    /// <param name="session">Where to show it.</param>
    /// <param name="parsed">The command line, with or without --quiet.</param>
    /// <param name="json">JSON lines.</param>
    /// <param name="run">What takes so long.</param>
    /// <param name="speaks">Whether this process is the one of several that speaks to the user.</param>
    public static T Show<T>(Session session, ParseResult parsed, bool json, Func<IRunObserver, T> run, bool speaks = true)
    {
        if (!speaks) return run(new QuietDisplay());
        if (json) return run(new JsonDisplay(session.Out));
        if (parsed.GetValue<bool>(CommandLine.Quiet)) return run(new QuietDisplay());
        return session.Live ? LiveDisplay.Show(session, run) : run(new PlainDisplay(session.Out, session.Time));
    }

    /// <summary>Shows nothing.</summary>
    private sealed class QuietDisplay : IRunObserver
    {
        public void Started(string stage, int totalSteps, string description) { }
        public void Step(int step, IReadOnlyDictionary<string, double> metrics) { }
        public void Note(string line) { }
        public void Finished(StageSummary summary) { }
    }
}
