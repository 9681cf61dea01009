using System.CommandLine;
using Gpt35.Training;

namespace Gpt35.Cli.Terminal;

/// <summary>Runs something long and shows how it goes, in the way that suits whoever is reading.</summary>
internal static class RunDisplay
{
    /// <summary>Runs <paramref name="run"/> with an observer: a moving bar on a terminal, a line now and then where output is redirected, JSON lines for a program, nothing with --quiet.</summary>
    public static T Show<T>(Session session, ParseResult parsed, bool json, Func<IRunObserver, T> run)
    {
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
