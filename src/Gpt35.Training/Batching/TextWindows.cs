using System.Text;
using Gpt35.Data;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>Documents laid end to end and cut into windows of the model's context, as GPT-3 was trained (Brown et al. 2020, appendix B).</summary>
/// <param name="Windows">
/// Token ids of each window: &lt;|endoftext|&gt;, then the next context − 1 tokens of the stream "document &lt;|endoftext|&gt; document &lt;|endoftext|&gt; …".
/// Every token of the stream is scored exactly once.
/// </param>
/// <param name="Tokens">Tokens of the stream, ends of documents included.</param>
/// <param name="Bytes">UTF-8 bytes of the documents.</param>
internal sealed record TextWindows(IReadOnlyList<TokenSequence> Windows, long Tokens, long Bytes)
{
    /// <param name="documents">The texts, in the order in which they are laid out.</param>
    /// <param name="tokenizer">Text to ids.</param>
    /// <param name="context">Tokens of a window; the last window may be shorter.</param>
    /// <param name="maxTokens">Stop after the document that reaches this many tokens; 0 takes all.</param>
    public static TextWindows Pack(IEnumerable<string> documents, Tokenizer tokenizer, int context, long maxTokens = 0)
    {
        var windows = new List<TokenSequence>();
        var window = new List<int>(context) { tokenizer.EndOfText };
        long tokens = 0, bytes = 0;
        foreach (var (ids, size) in Encode(documents, tokenizer))
        {
            foreach (var id in ids) Append(id);
            Append(tokenizer.EndOfText);
            bytes += size;
            if (maxTokens > 0 && tokens >= maxTokens) break;
        }
        if (window.Count > 1) Close();
        return new TextWindows(windows, tokens, bytes);

        void Append(int id)
        {
            window.Add(id);
            tokens++;
            if (window.Count == context) Close();
        }

        void Close()
        {
            windows.Add(new TokenSequence([.. window], [.. Enumerable.Repeat(true, window.Count)]));
            window.Clear();
            window.Add(tokenizer.EndOfText);
        }
    }

    /// <summary>Encoding is by far the slowest part of reading a corpus and documents are independent, so it uses every core.</summary>
    private static IEnumerable<(int[] Ids, int Bytes)> Encode(IEnumerable<string> documents, Tokenizer tokenizer) =>
        documents.AsParallel().AsOrdered().Select(document => (tokenizer.Encode(document), Encoding.UTF8.GetByteCount(document)));
}
