using System.Text;

namespace Gpt35.Tokenization;

/// <summary>
/// Turns ids into text as they arrive. No code point is ever cut: bytes of an unfinished one wait for the next id.
/// All pieces together, with that of <see cref="Flush"/>, are what <see cref="Tokenizer.Decode"/> gives. Not thread-safe.
/// </summary>
public sealed class StreamingDecoder(Tokenizer tokenizer, bool includeSpecial = false)
{
    private readonly Decoder utf8 = Encoding.UTF8.GetDecoder();

    /// <summary>The text that <paramref name="id"/> completes, often empty in the middle of a character.</summary>
    /// <exception cref="InvalidDataException">The vocabulary has no such id.</exception>
    public string Push(int id) => Convert(tokenizer.TokenBytes(id, includeSpecial), flush: false);

    /// <summary>Ends the text: an unfinished character becomes U+FFFD. The decoder is then as new.</summary>
    public string Flush() => Convert([], flush: true);

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        Span<char> small = stackalloc char[128];
        var needed = bytes.Length + 4;                                       // every byte ends at most one char; 4 for what waited
        var chars = needed <= small.Length ? small : new char[needed];
        return new string(chars[..utf8.GetChars(bytes, chars, flush)]);
    }
}
