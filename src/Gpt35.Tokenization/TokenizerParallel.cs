using System.Text;

namespace Gpt35.Tokenization;

/// <summary>Encoding on several threads: many texts, or one long one.</summary>
public sealed partial class Tokenizer
{
    /// <summary>Shorter texts are not worth a second thread.</summary>
    private const int SmallestPart = 1 << 16;

    /// <summary>Ids of every text, as <see cref="Encode(ReadOnlySpan{char}, SpecialTokenHandling)"/> gives them.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="specials">What to do about spellings of special tokens.</param>
    /// <param name="threads">At most so many at a time; 0 for all cores.</param>
    /// <exception cref="InvalidDataException">A text spells a special token, and that is to be refused.</exception>
    public int[][] EncodeBatch(IReadOnlyList<string> texts, SpecialTokenHandling specials = SpecialTokenHandling.AsText, int threads = 0)
    {
        var ids = new int[texts.Count][];
        ForEach(texts.Count, threads, i => ids[i] = Encode(texts[i], specials));
        return ids;
    }

    /// <summary>
    /// Ids of one long text in UTF-8, the same as <see cref="EncodeBytes(ReadOnlySpan{byte})"/> gives: it is cut where a word ends whatever
    /// stands around it, and the parts are encoded at the same time.
    /// </summary>
    /// <param name="bytes">The text.</param>
    /// <param name="threads">At most so many at a time; 0 for all cores.</param>
    public int[] EncodeParallel(ReadOnlyMemory<byte> bytes, int threads = 0)
    {
        if (threads <= 0) threads = Environment.ProcessorCount;
        // Added tokens may stand across a cut, and a SentencePiece model sees no words.
        if (threads == 1 || added is not null || model is not ByteLevelModel || bytes.Length < 2 * SmallestPart) return EncodeBytes(bytes.Span);
        var cuts = Cuts(bytes.Span, Math.Max(SmallestPart, bytes.Length / (8 * threads)));
        var parts = new int[cuts.Count - 1][];
        ForEach(parts.Length, threads, i => parts[i] = EncodeBytes(bytes.Span[cuts[i]..cuts[i + 1]]));
        var starts = new int[parts.Length + 1];
        for (var i = 0; i < parts.Length; i++) starts[i + 1] = checked(starts[i] + parts[i].Length);
        var ids = GC.AllocateUninitializedArray<int>(starts[^1]);
        ForEach(parts.Length, threads, i => parts[i].CopyTo(ids, starts[i]));
        return ids;
    }

    /// <summary>As <see cref="EncodeParallel(ReadOnlyMemory{byte}, int)"/>, for a string.</summary>
    public int[] EncodeParallel(string text, int threads = 0) =>
        text.Length < 2 * SmallestPart ? Encode(text) : EncodeParallel(Encoding.UTF8.GetBytes(text), threads);

    /// <summary>Starts of parts of about <paramref name="size"/> bytes, and the end. A word that is longer makes a longer part.</summary>
    private static List<int> Cuts(ReadOnlySpan<byte> text, int size)
    {
        var cuts = new List<int> { 0 };
        for (var target = size; target < text.Length; target += size)
        {
            var last = cuts[^1];
            if (PreTokenizers.SafeCut(text[last..], target - last) is var offset and > 0) cuts.Add(last + offset);
        }
        cuts.Add(text.Length);
        return cuts;
    }

    private static void ForEach(int count, int threads, Action<int> work)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount };
        try
        {
            Parallel.For(0, count, options, work);
        }
        catch (AggregateException several) when (several.InnerExceptions.OfType<InvalidDataException>().FirstOrDefault() is { } first)
        {
            throw first;
        }
    }
}
