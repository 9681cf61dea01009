namespace Gpt35.Inference.Speculation;

/// <summary>
/// How many tokens to guess ahead, by how often guesses were right so far. Where each of γ guesses is right with probability α, a pass yields
/// (1 − α^(γ+1)) / (1 − α) tokens and costs 1 + cγ (Leviathan et al. 2023, eq. 1 and theorem 3.8); the γ with the best ratio is taken. Where it is 0, one token is
/// guessed once in a while to see whether that has changed. Nothing here looks at a clock.
/// </summary>
/// <param name="rate">α to begin with.</param>
internal struct GuessLength(double rate)
{
    /// <summary>α of a text of which nothing is known.</summary>
    public const double FirstRate = 0.7;

    private const double Weight = 0.1;                  // of one guess in the moving average
    private const int FirstPause = 16, LongestPause = 128;

    private int pause, silent;

    /// <summary>α: a moving average.</summary>
    public double Rate { get; private set; } = rate;

    /// <summary>How many tokens to guess before the next pass, 0 to <paramref name="most"/>.</summary>
    /// <param name="cost">c: what guessing and computing one more token costs, as a part of a pass without guesses.</param>
    /// <param name="most">Most that may be guessed.</param>
    public int Next(double cost, int most)
    {
        if (most <= 0) return 0;
        var (best, bestRatio, tokens, power) = (0, 1.0, 1.0, 1.0);
        for (var count = 1; count <= most; count++)
        {
            power *= Rate;
            tokens += power;
            var ratio = tokens / (1 + cost * count);
            if (ratio <= bestRatio) break;              // it has one maximum
            (best, bestRatio) = (count, ratio);
        }
        if (best > 0)
        {
            silent = pause = 0;
            return best;
        }
        if (pause == 0) pause = FirstPause;
        if (++silent < pause) return 0;
        silent = 0;
        pause = Math.Min(2 * pause, LongestPause);
        return 1;
    }

    /// <summary>Takes note of a pass.</summary>
    /// <param name="right">Guesses that were right.</param>
    /// <param name="missed">Whether one behind them was wrong.</param>
    public void Learn(int right, bool missed)
    {
        for (var i = 0; i < right; i++) Rate += Weight * (1 - Rate);
        if (missed) Rate -= Weight * Rate;
        if (right > 0) pause = Math.Min(pause, FirstPause);
    }
}
