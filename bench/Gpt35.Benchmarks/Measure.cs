using System.Diagnostics;

namespace Gpt35.Benchmarks;

/// <summary>Times things that take turns, so that a busy machine is busy for all of them.</summary>
internal static class Measure
{
    private const int Rounds = 5;

    /// <summary>Least seconds of each, over rounds in which all run after one another. Preparation is outside the clock.</summary>
    /// <param name="contestants">Each prepares afresh, and hands over what is to be timed.</param>
    public static double[] Seconds(params Func<Action>[] contestants)
    {
        var least = new double[contestants.Length];
        Array.Fill(least, double.MaxValue);
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 0; i < contestants.Length; i++)
            {
                var work = contestants[i]();
                GC.Collect();
                GC.WaitForPendingFinalizers();
                var start = Stopwatch.GetTimestamp();
                work();
                least[i] = Math.Min(least[i], Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        return least;
    }
}
