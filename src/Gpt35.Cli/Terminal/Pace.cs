namespace Gpt35.Cli.Terminal;

/// <summary>How far a run is and how long it will still take, from the steps seen so far.</summary>
internal sealed class Pace(TimeProvider time, int totalSteps)
{
    private readonly long start = time.GetTimestamp();
    private long firstStepAt;
    private int firstStep = -1;

    public int Total => totalSteps;
    public int Step { get; private set; }

    public TimeSpan Elapsed => time.GetElapsedTime(start);

    /// <summary>Notes that step <paramref name="step"/> is done. The first may be any: a resumed run begins in the middle.</summary>
    public void Reached(int step)
    {
        Step = step;
        if (firstStep >= 0) return;
        firstStep = step;
        firstStepAt = time.GetTimestamp();
    }

    /// <summary>Time to the last step at the mean pace so far; null until two steps are done. The first step warms up and does not count.</summary>
    public TimeSpan? Left =>
        firstStep < 0 || Step <= firstStep
            ? null
            : time.GetElapsedTime(firstStepAt) / (Step - firstStep) * Math.Max(0, totalSteps - Step);
}
