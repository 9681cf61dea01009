namespace Gpt35.Tokenization;

/// <summary>Learns a byte-level BPE vocabulary from text (Sennrich et al. 2016, algorithm 1, over bytes as in GPT-2).</summary>
public static class BpeTrainer
{
    /// <summary>
    /// Merges the most frequent pair of neighbours inside words, again and again; among equals, the pair of smallest ids. Ids: the 256
    /// bytes in GPT-2's order (printable ones first), then the merges by rank, then the special tokens: the order of GPT-2's own
    /// vocabulary. The result depends on the words of <paramref name="documents"/> and their counts only, not on their order
    /// or the number of threads.
    /// </summary>
    /// <exception cref="InvalidDataException">The vocabulary is too small for the bytes and special tokens, or a special token's name is unusable.</exception>
    public static Tokenizer Train(IEnumerable<string> documents, BpeTrainerOptions options, CancellationToken cancel = default)
    {
        var training = new BpeTraining(options);
        training.Count(documents, cancel);
        return training.Learn(cancel);
    }

    internal static void CheckOptions(BpeTrainerOptions options)
    {
        var specials = options.SpecialTokens;
        if (options.VocabSize < 256 + specials.Count)
            throw new InvalidDataException($"Vocabulary size {options.VocabSize} is too small: expected at least {256 + specials.Count}, " +
                $"for the 256 bytes and {specials.Count} special tokens.");
        if (options.MinFrequency < 1)
            throw new InvalidDataException($"Minimum frequency {options.MinFrequency}: expected at least 1.");
        if (specials.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new InvalidDataException($"The special token \"{twice.Key}\" is listed twice; every name needs to be different.");
        if (specials.FirstOrDefault(name => name.Length == 0 || name.Length == 1 && ByteAlphabet.TryGetByte(name[0], out _)) is { } taken)
            throw new InvalidDataException($"\"{taken}\" cannot name a special token: {TokenizerJson.FileName} needs that spelling for a byte. " +
                "Expected a name such as <|name|>.");
    }
}
