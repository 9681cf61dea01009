using System.Text;
using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>
/// Documents as training sequences, each on its own: GPT-3 packs several into one window and lets attention see across (Brown et al. 2020,
/// appendix B); unpadded batches make that unnecessary, so a document's context is the document.
/// </summary>
/// <param name="Windows">
/// Token ids of each window: "&lt;|endoftext|&gt; document &lt;|endoftext|&gt;", cut at the model's context. A later window of a long document starts
/// with the last token of the one before, so that every token, the end included, is scored exactly once.
/// </param>
/// <param name="Tokens">Scored tokens: those of the documents and one end for each.</param>
/// <param name="Bytes">UTF-8 bytes of the documents.</param>
public sealed record TextWindows(IReadOnlyList<TokenSequence> Windows, long Tokens, long Bytes)
{
    /// <summary>Tokens of each window, told without reading its ids.</summary>
    public required IReadOnlyList<int> Lengths { get; init; }

    /// <param name="documents">The texts.</param>
    /// <param name="tokenizer">Text to ids.</param>
    /// <param name="context">Most tokens of a window.</param>
    /// <param name="maxTokens">Stop after the document that reaches this many tokens; 0 takes all.</param>
    /// <param name="fim">Which documents are rearranged to teach insertion, and how; null leaves all as they are.</param>
    /// <param name="threads">Threads that encode; 0: all cores. The windows are the same.</param>
    /// <exception cref="InvalidDataException">What reading the documents throws; or the tokenizer lacks the tokens of <paramref name="fim"/>.</exception>
    public static TextWindows Cut(IEnumerable<string> documents, Tokenizer tokenizer, int context, long maxTokens = 0, FillInTheMiddle? fim = null, int threads = 0)
    {
        if (fim is not null) FillInTheMiddle.RequireTokens(tokenizer);
        var windows = new List<TokenSequence>();
        long tokens = 0, bytes = 0;
        foreach (var (sequences, size) in Encode(documents, tokenizer, context, fim, threads))
        {
            foreach (var window in sequences)
            {
                windows.Add(new TokenSequence(window, [.. Enumerable.Repeat(true, window.Length)]));
                tokens += window.Length - 1;
            }
            bytes += size;
            if (maxTokens > 0 && tokens >= maxTokens) break;
        }
        return new TextWindows(windows, tokens, bytes) { Lengths = [.. windows.Select(window => window.Ids.Length)] };
    }

    /// <summary>Encoding is by far the slowest part of reading a corpus and documents are independent, so it uses every thread that it may.</summary>
    private static IEnumerable<(IReadOnlyList<int[]> Sequences, int Bytes)> Encode(IEnumerable<string> documents, Tokenizer tokenizer, int context, FillInTheMiddle? fim, int threads) =>
        InParallel.Stream(documents, threads, (document, index) =>
            (fim?.Apply(document, index, tokenizer, context) ?? CutUp(tokenizer.Encode(document), tokenizer, context), Encoding.UTF8.GetByteCount(document)));

    private static List<int[]> CutUp(int[] ids, Tokenizer tokenizer, int context)
    {
        int[] stream = [tokenizer.EndOfText, .. ids, tokenizer.EndOfText];
        var windows = new List<int[]>();
        for (var from = 0; from < stream.Length - 1; from += context - 1) windows.Add(stream[from..Math.Min(from + context, stream.Length)]);
        return windows;
    }
}
