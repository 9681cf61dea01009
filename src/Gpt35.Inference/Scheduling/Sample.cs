using Gpt35.Inference.Speculation;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Inference.Scheduling;

/// <summary>One completion of a request, from the queue to its end. Its memory grows with its text: of the requests that wait, each may ask for the whole context.</summary>
internal sealed class Sample
{
    private const int FirstRoom = 64;

    private readonly int promptLength, room;
    private int[] tokens;                       // prompt, completion, room to grow
    private float[] logProbs;                   // of the completion, with room to grow
    private readonly TokenChooser chooser;
    private int generated, chosen;              // chosen: behind those, in the step under way
    private int end;                            // tokens of the whole completion, once its last one is chosen
    private int[] asked = [];                   // what a speculator guesses, with room for the most
    private int askedCount;

    /// <param name="generation">Whose completion it is.</param>
    /// <param name="index">Which one.</param>
    /// <param name="order">Rises from sample to sample.</param>
    /// <param name="room">Most tokens it can have.</param>
    /// <param name="chooser">Chooses them.</param>
    /// <param name="start">Where the prefix cache begins for it.</param>
    public Sample(Generation generation, int index, long order, int room, TokenChooser chooser, PrefixIndex.Chain start)
    {
        var prompt = generation.Request.Prompt;
        (Generation, Index, Order, this.chooser, promptLength, this.room, Chain, FirstChain) = (generation, index, order, chooser, prompt.Length, room, start, start);
        tokens = new int[prompt.Length + Math.Min(room, FirstRoom)];
        prompt.CopyTo(tokens, 0);
        logProbs = new float[Math.Min(room, FirstRoom)];
        Held = new KvSequence(MostTokens);
    }

    public Generation Generation { get; }
    public int Index { get; }

    /// <summary>Place among all samples: who came first goes first.</summary>
    public long Order { get; }
    public int Priority => Generation.Request.Priority;
    public LoraAdapter? Adapter => Generation.Request.Adapter;

    /// <summary>What is in the cache.</summary>
    public KvSequence Held { get; }

    /// <summary>The beginning of the text as far as whole blocks of it are in the cache.</summary>
    public PrefixIndex.Chain Chain;

    /// <summary>The same for a text of which nothing is in the cache.</summary>
    public PrefixIndex.Chain FirstChain { get; }

    /// <summary>Blocks that were offered to the prefix cache.</summary>
    public int BlocksKnown { get; set; }

    /// <summary>Whether the step under way computes tokens of it.</summary>
    public bool InFlight { get; set; }

    /// <summary>Whether it has left, finished or not.</summary>
    public bool Gone { get; set; }

    /// <summary>Of how many tokens the step under way computes keys and values; guessed ones apart.</summary>
    public int Taken { get; set; }

    /// <summary>Where its logits are among those of the step under way: from the first row to the one before the end.</summary>
    public (int First, int End) Rows { get; set; }

    /// <summary>What its own code failed with in the step under way.</summary>
    public Exception? Failure { get; set; }

    /// <summary>What is guessed to follow the text.</summary>
    public ReadOnlySpan<int> Guess => Draft is { } draft ? draft.Guess : asked.AsSpan(0, askedCount);

    /// <summary>Guessed tokens of the step under way.</summary>
    public int Guessed { get; set; }

    /// <summary>Those of them that were right.</summary>
    public int Right { get; set; }

    /// <summary>How far to guess ahead.</summary>
    public GuessLength GuessLength;

    /// <summary>What the draft model knows of it, where there is one and it has begun.</summary>
    public DraftState? Draft { get; set; }

    public int PromptLength => promptLength;

    /// <summary>Tokens of prompt and completion so far.</summary>
    public int Count => promptLength + generated;

    /// <summary>Most tokens of prompt and completion.</summary>
    public int MostTokens => promptLength + room;

    public int GeneratedCount => generated;
    public ReadOnlySpan<int> Text => tokens.AsSpan(0, Count);

    /// <summary>For any thread.</summary>
    public ReadOnlySpan<int> GeneratedTokens
    {
        get
        {
            var count = Volatile.Read(ref generated);           // first: the arrays that are read behind it hold as many
            return tokens.AsSpan(promptLength, count);
        }
    }

    public ReadOnlySpan<float> LogProbs => logProbs;

    /// <summary>Tokens whose keys and values are not in the cache: one between two steps of a completion, more while its text is being read.</summary>
    public int Pending => Count - Held.Length;
    public bool IsDecoding => generated > 0 && Pending == 1;
    public FinishReason? Finish => chooser.Finish;

    /// <summary>Why the completion ends with its token <paramref name="place"/>; null where it does not. For any thread that has seen that token.</summary>
    public FinishReason? FinishAt(int place) => place + 1 == end ? chooser.Finish : null;

    /// <summary>Whether the last token is a stop token, which is no part of the text.</summary>
    public bool EndsWithStopToken => chooser.StopTokenMet;

    /// <summary>Whether other samples of the request wait for this one to have read the prompt.</summary>
    public bool LeadsOthers => Index == 0 && Generation.Request.Samples > 1 && generated == 0;

    /// <summary>Has a speculator guess what follows the text.</summary>
    /// <param name="speculator">Its own code: it may take its time, write nonsense or throw.</param>
    /// <param name="most">Most tokens.</param>
    /// <param name="vocabSize">V: a guess ends before what is no id.</param>
    /// <returns>How many tokens there are.</returns>
    public int Ask(ISpeculator speculator, int most, int vocabSize)
    {
        askedCount = 0;
        if (most == 0) return 0;
        if (asked.Length < most) asked = new int[Math.Max(most, speculator.MostTokens)];
        var found = Math.Clamp(speculator.Guess(Text, asked.AsSpan(0, most)), 0, most);
        while (askedCount < found && (uint)asked[askedCount] < (uint)vocabSize) askedCount++;
        return askedCount;
    }

    /// <summary>Chooses the next token, for the thread that has it in hand: all others see it once it is published.</summary>
    /// <exception cref="InvalidDataException">The logits are no numbers.</exception>
    public int Choose(ReadOnlySpan<float> logits)
    {
        var place = generated + chosen;
        if (place == logProbs.Length)
        {
            var more = (int)Math.Min(room, 2L * place);
            Array.Resize(ref tokens, promptLength + more);
            Array.Resize(ref logProbs, more);
        }
        var token = chooser.Next(logits, out logProbs[place]);
        tokens[promptLength + place] = token;
        chosen++;
        if (chooser.Finish is not null) end = place + 1;
        return token;
    }

    /// <summary>The tokens that were chosen become the completion's.</summary>
    /// <returns>How many.</returns>
    public int Publish()
    {
        var count = chosen;
        chosen = 0;
        Volatile.Write(ref generated, generated + count);   // a reader in another thread sees the tokens before it sees the count
        return count;
    }

    /// <summary>One that chooses as this sample's does, from the beginning.</summary>
    public TokenChooser NewChooser(SamplerMemories memories, Tokenizer? tokenizer) =>
        new(Generation.Request.Options with { TopLogProbs = null }, memories, Generation.Request.Stream + Index, room, tokenizer);

    /// <summary>The whole of it, once it has ended.</summary>
    public Completion? Completion { get; private set; }

    /// <summary>Puts together what was chosen, behind the last token and before it is published.</summary>
    /// <exception cref="InvalidDataException">A token that was chosen is none of the tokenizer's.</exception>
    public void Complete(Tokenizer? tokenizer)
    {
        var all = tokens.AsSpan(promptLength, end);
        Completion = new Completion(all.ToArray(), logProbs[..end], chooser.Finish!.Value)
        {
            Text = tokenizer is null ? null : chooser.TextOf(all, tokenizer),
            TokenLogProbs = chooser.Report,
        };
    }
}
