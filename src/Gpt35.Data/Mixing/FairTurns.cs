namespace Gpt35.Data;

/// <summary>
/// Whose turn it is, so that after any number of turns everyone has had their share to less than one turn: the schedule of Tijdeman 1980
/// ("The chairman assignment problem"), whose deviation is at most 1 − 1/(2k − 2) for k members. Taking whoever is furthest behind, which is simpler, lets one of many
/// members fall behind by more than a turn.
/// </summary>
internal sealed class FairTurns
{
    private const double Rounding = 1e-9;

    private readonly double[] shares;
    private readonly long[] had;
    private readonly double least;                                      // 1/(2k − 2): who is owed less than this waits
    private long turns;

    /// <param name="weights">Positive; only their proportions matter, (k,).</param>
    public FairTurns(IReadOnlyList<double> weights)
    {
        var sum = weights.Sum();
        shares = [.. weights.Select(weight => weight / sum)];
        had = new long[shares.Length];
        least = shares.Length > 1 ? 1.0 / (2 * shares.Length - 2) : 0;
    }

    /// <summary>Of those who are owed enough, the one who has to come soonest; the first of equals.</summary>
    public int Next()
    {
        turns++;
        var (next, soonest) = (0, double.PositiveInfinity);
        for (var i = 0; i < shares.Length; i++)
        {
            var owed = shares[i] * turns - had[i];
            if (owed < least - Rounding) continue;
            var wait = (1 - least - owed) / shares[i];                  // turns until it would be behind by more than the bound
            if (wait < soonest - Rounding) (next, soonest) = (i, wait);
        }
        had[next]++;
        return next;
    }
}
