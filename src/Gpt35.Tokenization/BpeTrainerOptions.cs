namespace Gpt35.Tokenization;

/// <summary>What a vocabulary is trained to.</summary>
public sealed record BpeTrainerOptions
{
    /// <summary>Number of ids wanted: 256 bytes, merges, special tokens. A small corpus may yield fewer.</summary>
    public required int VocabSize { get; init; }

    /// <summary>A pair that occurs less often is not merged. 2 as in Hugging Face's examples: what occurs once teaches nothing.</summary>
    public long MinFrequency { get; init; } = 2;

    /// <summary>Names of the special tokens, in id order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = Tokenization.SpecialTokens.Default;

    /// <summary>How text is cut into words: no merge crosses a border of words.</summary>
    public PreTokenizer PreTokenizer { get; init; }

    /// <summary>Threads that count words; 0 for all cores. The result is the same with any number.</summary>
    public int Threads { get; init; }

    /// <summary>Told now and then how far the training is.</summary>
    public IProgress<BpeTrainingProgress>? Progress { get; init; }
}

/// <summary>How far the training of a vocabulary is: first the text is counted, then tokens are made.</summary>
/// <param name="Bytes">Bytes of text counted so far.</param>
/// <param name="Tokens">Ids so far, special tokens included; 0 while counting.</param>
/// <param name="WantedTokens">Ids wanted.</param>
public readonly record struct BpeTrainingProgress(long Bytes, int Tokens, int WantedTokens);
