using System.Runtime.InteropServices;

namespace Gpt35.Tokenization;

/// <summary>
/// Encodes a word of any length in windows, so that the work grows with its length alone, and exactly as if merged as a whole.
/// <para>
/// Two facts carry it. (1) Any run of neighbours of an encoding is the encoding of its own bytes. (2) Encodings of two strings laid end to
/// end are the encoding of both together if, and only if, the last token of one and the first of the other, encoded together, stay those two.
/// For (2): until the first merge across the border, each side is merged as it would be alone, and the order of those merges does not
/// depend on what lies further off; so that first merge would happen among the two tokens alone as well. The same lemma stands behind
/// github/rust-gems, crates/bpe.
/// </para>
/// So the encoding grows by a window at a time: its last tokens, which the window's end may have spoiled, are dropped, and the next
/// window begins there. Where the border fails the test, one more token is dropped.
/// </summary>
internal ref struct LongWord(BpeMerger merger, Vocabulary vocabulary)
{
    private const int SmallWindow = BpeMerger.LongestScan, LargeWindow = 4096;

    /// <summary>Tokens at the end of a window that may not be those of the whole word; the test of borders finds the rest.</summary>
    private const int Dropped = 2;

    /// <summary>Failed borders without any progress after which windows are given up.</summary>
    private const int Patience = 32;

    private ReadOnlySpan<byte> lastWindow;
    private int lastWindowAt;                                               // in the output, while its ids are still there
    private int lastLeft = -1, lastRight = -1;                              // a border that holds

    public void Encode(ReadOnlySpan<byte> word, scoped ref IdBuffer output)
    {
        var start = output.Count;
        if (TryEncode(word, SmallWindow, start, ref output)) return;
        output.Truncate(start);
        if (TryEncode(word, LargeWindow, start, ref output)) return;
        output.Truncate(start);
        merger.EncodeByHeap(word, ref output);
    }

    /// <summary>False where windows of this size do not get on: tokens nearly as long as they, or borders that keep failing.</summary>
    private bool TryEncode(ReadOnlySpan<byte> word, int size, int first, scoped ref IdBuffer output)
    {
        lastWindow = [];
        lastLeft = -1;
        int position = 0, furthest = 0, failures = 0;
        while (true)
        {
            var window = word.Slice(position, Math.Min(size, word.Length - position));
            var at = output.Count;
            EncodeWindow(window, ref output);
            if (at > first && !Borders(output[at - 1], output[at], ref output))
            {
                if (++failures > Patience) return false;
                output.Truncate(at);
                position -= DropLast(ref output);
                lastWindow = [];
                continue;
            }
            position += window.Length;
            if (position == word.Length) return true;
            if (output.Count - at <= 2 * Dropped) return false;
            lastWindow = window;
            lastWindowAt = at;
            for (var i = 0; i < Dropped; i++) position -= DropLast(ref output);
            if (position <= furthest) continue;
            (furthest, failures) = (position, 0);
        }
    }

    /// <summary>A window with the bytes of the one before has its ids, too: a single letter a million times is encoded once.</summary>
    private void EncodeWindow(ReadOnlySpan<byte> window, scoped ref IdBuffer output)
    {
        if (window.SequenceEqual(lastWindow)) output.Repeat(lastWindowAt, output.Count + Dropped - lastWindowAt);
        else if (window.Length <= BpeMerger.LongestScan) merger.EncodeByScan(window, ref output);
        else merger.EncodeByHeap(window, ref output);
    }

    private int DropLast(scoped ref IdBuffer output)
    {
        var length = vocabulary.BytesOf(output[output.Count - 1]).Length;
        output.Truncate(output.Count - 1);
        return length;
    }

    /// <summary>Whether two tokens side by side stay as they are.</summary>
    private bool Borders(int left, int right, scoped ref IdBuffer output)
    {
        if (left == lastLeft && right == lastRight) return true;
        var a = vocabulary.BytesOf(left);
        var b = vocabulary.BytesOf(right);
        var length = a.Length + b.Length;
        Span<byte> both = length <= 256 ? stackalloc byte[256] : new byte[length];
        both = both[..length];
        a.CopyTo(both);
        b.CopyTo(both[a.Length..]);
        var at = output.Count;
        if (length <= BpeMerger.LongestScan) merger.EncodeByScan(both, ref output);
        else merger.EncodeByHeap(both, ref output);
        var holds = output.From(at) is [var first, var second] && first == left && second == right;
        output.Truncate(at);
        if (holds) (lastLeft, lastRight) = (left, right);
        return holds;
    }
}
