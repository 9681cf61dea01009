using Gpt35.Training;
using Spectre.Console;

namespace Gpt35.Cli.Terminal;

/// <summary>
/// Progress as one line that is drawn over itself: stage, bar, step, the metrics worth watching, time left. Drawn by the run itself, not
/// by a thread of its own: all cores are busy with the maths.
/// </summary>
internal sealed class LiveDisplay(Session session) : IRunObserver
{
    private const int NameWidth = 9, BarWidth = 12;
    private const string StartOver = "\r\e[2K";
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private string stage = "";
    private Pace pace = new(session.Time, 0);
    private IReadOnlyList<string> metrics = [];
    private long? drawn;

    public static T Show<T>(Session session, Func<IRunObserver, T> run)
    {
        var display = new LiveDisplay(session);
        try
        {
            return run(display);
        }
        finally
        {
            display.EndLine();
        }
    }

    public void Started(string stage, int totalSteps, string description)
    {
        EndLine();
        this.stage = stage;
        pace = new Pace(session.Time, totalSteps);
        metrics = [];
        session.Console.WriteLine(description, new Style(decoration: Decoration.Dim));
        Draw();
    }

    public void Step(int step, IReadOnlyDictionary<string, double> metrics)
    {
        pace.Reached(step);
        this.metrics = Wording.Metrics(metrics);
        if (step == pace.Total || drawn is not { } last || session.Time.GetElapsedTime(last) >= Interval) Draw();
    }

    public void Note(string line)
    {
        if (drawn is null)
        {
            session.Console.WriteLine(line);
            return;
        }
        session.Out.Write(StartOver);
        session.Console.WriteLine(line);
        Draw();
    }

    public void Finished(StageSummary summary)
    {
        if (drawn is not null) Draw($"  {Wording.Duration(pace.Elapsed)}");
    }

    private void Draw(string more = "")
    {
        drawn = session.Time.GetTimestamp();
        var done = pace.Total == 0 ? BarWidth : BarWidth * Math.Min(pace.Step, pace.Total) / pace.Total;
        var (full, empty) = session.Console.Profile.Capabilities.Unicode ? ('━', '╌') : ('#', '-');
        // The last column stays free: some terminals wrap there.
        var room = session.Console.Profile.Width - NameWidth - BarWidth - 3 - more.Length;
        session.Out.Write(StartOver);
        session.Console.Write(new Text(stage.PadRight(NameWidth)));
        session.Console.Write(new Text(new string(full, done), new Style(Color.Green)));
        session.Console.Write(new Text(new string(empty, BarWidth - done), new Style(Color.Grey)));
        session.Console.Write(new Text("  " + Wording.Progress(pace, metrics, Math.Max(10, room)) + more));
        session.Out.Flush();
    }

    private void EndLine()
    {
        if (drawn is null) return;
        drawn = null;
        session.Out.WriteLine();
    }
}
