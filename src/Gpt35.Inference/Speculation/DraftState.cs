using Gpt35.Inference.Scheduling;
using Gpt35.Model;

namespace Gpt35.Inference.Speculation;

/// <summary>What a draft model knows of one sample: how much of its text it has read, and what it guessed behind it.</summary>
/// <param name="sample">Whose text it is.</param>
/// <param name="chooser">Chooses guesses as the sample's own chooses tokens: by the same options, and the same random numbers.</param>
/// <param name="most">Most tokens of a guess.</param>
internal sealed class DraftState(Sample sample, TokenChooser chooser, int most)
{
    private readonly int[] guess = new int[most];
    private TokenChooser.Place place = chooser.Now;     // behind the text, before the guess
    private int read;                                   // tokens of the text that are in the cache; guessed ones may follow

    public Sample Sample => sample;

    /// <summary>What is in the draft model's cache.</summary>
    public KvSequence Held { get; } = new(sample.MostTokens);

    /// <summary>The beginning of the text as far as whole blocks of it are in the cache.</summary>
    public PrefixIndex.Chain Chain = sample.FirstChain;

    /// <summary>Blocks that were offered to the prefix cache.</summary>
    public int BlocksKnown { get; set; }

    /// <summary>How many tokens are to be guessed in the step under way.</summary>
    public int Wanted { get; set; }

    public int GuessCount { get; private set; }
    public ReadOnlySpan<int> Guess => guess.AsSpan(0, GuessCount);

    /// <summary>Whether more tokens are to be guessed.</summary>
    public bool GoesOn => GuessCount < Wanted && chooser.Finish is null && sample.Failure is null;

    /// <summary>Drops from the cache what was guessed and not chosen.</summary>
    public void DropWrong()
    {
        read += Guess[..Math.Min(Held.Length - read, GuessCount)].CommonPrefixLength(sample.Text[read..]);   // fewer guesses than tokens: a pass failed
        Held.SetLength(read);
    }

    /// <summary>Goes on with the text as it is now.</summary>
    public void Follow()
    {
        DropWrong();
        read = Math.Min(read, sample.Count - 1);                        // the last token is computed in any case: its logits are wanted
        Held.SetLength(read);
        chooser.Return(place, Guess);
        foreach (var token in sample.GeneratedTokens[chooser.Now.Position..]) chooser.Accept(token);
        place = chooser.Now;
        (GuessCount, Wanted) = (0, 0);
    }

    /// <summary>Everything in the cache is text.</summary>
    public void NoteRead() => read = Held.Length;

    /// <summary>Guesses one more token.</summary>
    /// <param name="logits">The draft model's behind the text and the guess so far, (V,).</param>
    public int Add(ReadOnlySpan<float> logits) => guess[GuessCount++] = chooser.Next(logits, out _);
}
