namespace Gpt35.Evaluation;

/// <summary>Which of two models the oracle prefers, prompt by prompt.</summary>
public static class OracleComparison
{
    /// <summary>Totals closer than this are a tie; scores are sums of a few decimal fractions.</summary>
    private const double TieWidth = 1e-9;

    /// <summary>Counts the prompts on which <paramref name="challenger"/> scores above, equal to, or below <paramref name="baseline"/>.</summary>
    /// <exception cref="InvalidDataException">The two results are not over the same prompts.</exception>
    public static WinCount Compare(EvaluationResult challenger, EvaluationResult baseline)
    {
        var records = new Dictionary<string, EvaluationRecord>(baseline.Records.Count);
        foreach (var record in baseline.Records)
            if (!records.TryAdd(record.Id, record))
                throw new InvalidDataException($"The result of '{baseline.Model}' holds prompt '{record.Id}' twice; ids must be unique.");
        if (challenger.Records.Count != records.Count)
            throw Mismatch($"{challenger.Records.Count} prompts against {records.Count}");

        int wins = 0, ties = 0, losses = 0;
        foreach (var record in challenger.Records)
        {
            if (!records.Remove(record.Id, out var other)) throw Mismatch($"prompt '{record.Id}' is in the first only");
            if (record.Prompt != other.Prompt) throw Mismatch($"prompt '{record.Id}' reads differently");
            if (Math.Abs(record.Score - other.Score) < TieWidth) ties++;
            else if (record.Score > other.Score) wins++;
            else losses++;
        }
        return new WinCount(wins, ties, losses);

        InvalidDataException Mismatch(string found) => new(
            $"The results of '{challenger.Model}' and '{baseline.Model}' are not over the same prompts: {found}. Evaluate both on one prompt file.");
    }
}
