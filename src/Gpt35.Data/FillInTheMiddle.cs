using Gpt35.Data.TinyWorld;
using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>
/// Moves the middle of a document to its end, so that a left-to-right model learns to fill gaps (Bavarian et al. 2022, "Efficient training
/// of language models to fill in the middle"). The document is cut at two characters drawn uniformly, and written in one of two orders:
/// PSM "prefix-token prefix suffix-token suffix middle-token middle", or SPM "prefix-token suffix-token suffix middle-token prefix middle"
/// (their second variant, which both orders can be trained with together).
/// </summary>
/// <param name="Rate">Share of the documents that are transformed.</param>
/// <param name="SpmRate">Share of those that are written in the order SPM.</param>
/// <param name="Seed">What is drawn for a document is a function of this and of its index alone.</param>
public sealed record FillInTheMiddle(double Rate, double SpmRate, ulong Seed)
{
    /// <summary>Tokens that a transformed text has more than the text: three special ones, and those that re-encoding makes at two cuts.</summary>
    private const int Slack = 3 + 12;

    /// <summary>Ids that ask a model for what stands between two texts; it ends its answer with &lt;|endoftext|&gt;.</summary>
    /// <exception cref="InvalidDataException">The tokenizer lacks one of the special tokens.</exception>
    public static int[] Prompt(string prefix, string suffix, Tokenizer tokenizer)
    {
        var (pre, mid, suf) = Specials(tokenizer);
        return [tokenizer.EndOfText, pre, .. tokenizer.Encode(prefix), suf, .. tokenizer.Encode(suffix), mid];
    }

    /// <summary>
    /// The training sequences of a document, each "&lt;|endoftext|&gt; transformed &lt;|endoftext|&gt;", or null where it stays as it is. A document longer
    /// than the context is first cut into pieces, because a gap whose text is out of sight teaches nothing (their appendix: context-level).
    /// </summary>
    /// <param name="document">Its text.</param>
    /// <param name="index">Its place in the training order.</param>
    /// <param name="tokenizer">Text to ids.</param>
    /// <param name="context">Most tokens of a sequence.</param>
    /// <exception cref="InvalidDataException">The tokenizer lacks one of the special tokens.</exception>
    public IReadOnlyList<int[]>? Apply(string document, int index, Tokenizer tokenizer, int context)
    {
        var random = new SeededRandom(Seed).Fork($"document {index}");
        if (!random.Chance(Rate)) return null;
        var ids = tokenizer.Encode(document);
        var room = context - 2 - Slack;
        if (room < 1) return null;
        var sequences = new List<int[]>();
        foreach (var piece in ids.Length <= room ? [ids] : ids.Chunk(room))
        {
            var moved = Transform(tokenizer.DecodeBytes(piece), random, tokenizer, Specials(tokenizer));
            // Twelve tokens are enough for every cut seen; where they are not, the piece stays as it is.
            sequences.Add([tokenizer.EndOfText, .. moved.Length + 2 <= context ? moved : piece, tokenizer.EndOfText]);
        }
        return sequences;
    }

    /// <exception cref="InvalidDataException">The tokenizer lacks one of the special tokens.</exception>
    internal static void RequireTokens(Tokenizer tokenizer) => Specials(tokenizer);

    private int[] Transform(byte[] text, SeededRandom random, Tokenizer tokenizer, (int Prefix, int Middle, int Suffix) special)
    {
        var cuts = Enumerable.Range(0, text.Length + 1).Where(i => i == text.Length || (text[i] & 0xC0) != 0x80).ToList();    // where characters begin
        var (first, second) = (cuts[random.Below(cuts.Count)], cuts[random.Below(cuts.Count)]);
        if (first > second) (first, second) = (second, first);
        int[] Encode(int from, int to) => tokenizer.EncodeBytes(text.AsSpan(from, to - from));
        var suffix = Encode(second, text.Length);
        return random.Chance(SpmRate)
            ? [special.Prefix, special.Suffix, .. suffix, special.Middle, .. Encode(0, first), .. Encode(first, second)]
            : [special.Prefix, .. Encode(0, first), special.Suffix, .. suffix, special.Middle, .. Encode(first, second)];
    }

    private static (int Prefix, int Middle, int Suffix) Specials(Tokenizer tokenizer)
    {
        return (Id(SpecialTokens.FimPrefix), Id(SpecialTokens.FimMiddle), Id(SpecialTokens.FimSuffix));

        int Id(string name) => tokenizer.SpecialTokens.TryGetValue(name, out var id) ? id : throw new InvalidDataException(
            $"The tokenizer has no special token {name}, which filling in the middle needs; it has {(tokenizer.SpecialTokens.Count == 0 ? "none" : string.Join(", ", tokenizer.SpecialTokens.Keys))}. "
            + $"Train one with 'gpt35 tokenizer train' and --special-token for each of {SpecialTokens.EndOfText}, {SpecialTokens.FimPrefix}, {SpecialTokens.FimMiddle}, {SpecialTokens.FimSuffix} and the others you need, and pre-train with it.");
    }
}
