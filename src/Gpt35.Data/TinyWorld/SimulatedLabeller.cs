namespace Gpt35.Data.TinyWorld;

/// <summary>
/// Ranks completions as a person would: by the oracle's score, blurred by noise and by tastes of the labeller's own. The same labeller, seed
/// and prompt always give the same ranks.
/// </summary>
public sealed class SimulatedLabeller
{
    /// <summary>
    /// Standard deviation of the noise on each completion's score. On completions such as a fine-tuned model gives, this makes labellers agree
    /// with the oracle on three pairs in four, the level InstructGPT reports among people (Ouyang et al. 2022, section 3.4: 73 to 77 %).
    /// </summary>
    public const double DefaultNoise = 0.5;

    /// <summary>Standard deviation, over labellers, of the liking for length per ten words.</summary>
    private const double TasteForLength = 0.03;

    private readonly double _noise;

    public SimulatedLabeller(double noise = DefaultNoise) => _noise = noise >= 0 ? noise
        : throw new ArgumentOutOfRangeException(nameof(noise), noise, "The noise is a standard deviation: zero or more.");

    /// <summary>Ranks K completions of a prompt; 1 is best. Completions that read the same share a rank.</summary>
    /// <param name="prompt">What was asked.</param>
    /// <param name="completions">The K answers.</param>
    /// <param name="labellerId">Who ranks; each labeller has tastes of their own.</param>
    /// <param name="seed">Seed of the campaign.</param>
    /// <param name="finished">Whether each completion came to its end; null: all did.</param>
    public int[] Rank(TinyWorldPrompt prompt, IReadOnlyList<string> completions, int labellerId, ulong seed, IReadOnlyList<bool>? finished = null)
    {
        var taste = TasteForLength * new SeededRandom(seed).Fork($"labeller {labellerId}").Gaussian();
        var random = new SeededRandom(seed).Fork($"labeller {labellerId}: {prompt.PlainText}");
        var utilities = new Dictionary<string, double>();
        for (var i = 0; i < completions.Count; i++)
        {
            if (utilities.ContainsKey(completions[i])) continue;
            var score = Oracle.Score(prompt, completions[i], finished?[i] ?? true).Total;
            utilities[completions[i]] = score + taste * new CompletionText(completions[i]).Words.Count / 10 + _noise * random.Gaussian();
        }
        var better = utilities.Values.OrderDescending().ToList();
        return [.. completions.Select(completion => 1 + better.IndexOf(utilities[completion]))];
    }
}
