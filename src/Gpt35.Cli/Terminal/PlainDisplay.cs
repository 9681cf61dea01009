using Gpt35.Training;

namespace Gpt35.Cli.Terminal;

/// <summary>Progress as plain lines: the first step, then one every few seconds, then the last.</summary>
internal sealed class PlainDisplay(TextWriter output, TimeProvider time) : IRunObserver
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private string stage = "";
    private Pace? pace;
    private long? lastLine;

    public void Started(string stage, int totalSteps, string description)
    {
        this.stage = stage;
        pace = new Pace(time, totalSteps);
        lastLine = null;
        output.WriteLine(description);
    }

    public void Step(int step, IReadOnlyDictionary<string, double> metrics)
    {
        if (pace is null) return;
        pace.Reached(step);
        if (step < pace.Total && lastLine is { } last && time.GetElapsedTime(last) < Interval) return;
        lastLine = time.GetTimestamp();
        output.WriteLine($"{stage}  {Wording.Progress(pace, Wording.Metrics(metrics))}");
        output.Flush();
    }

    public void Note(string line) => output.WriteLine(line);

    public void Finished(StageSummary summary) { }
}
