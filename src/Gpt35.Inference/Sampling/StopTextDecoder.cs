using System.Text;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

/// <summary>
/// Turns the tokens of a completion into text as they arrive, up to the first stop string. Holds back exactly what may still become one, and
/// never cuts a character. Special tokens have no text. Not thread-safe.
/// </summary>
/// <param name="tokenizer">Of the tokens.</param>
/// <param name="stopStrings">None is empty.</param>
/// <param name="minTokens">Tokens that must have come before a stop string counts, as <see cref="SamplingOptions.MinTokens"/>.</param>
public sealed class StopTextDecoder(Tokenizer tokenizer, IReadOnlyList<string> stopStrings, int minTokens = 0)
{
    private readonly Decoder utf8 = Encoding.UTF8.GetDecoder();
    private readonly StopStrings stops = new(stopStrings);
    private byte[] held = new byte[64];
    private int heldCount, place, tokens;

    /// <summary>Whether a stop string was met; what follows is no longer part of the text.</summary>
    public bool Stopped { get; private set; }

    /// <summary>The text that becomes certain with <paramref name="id"/>.</summary>
    /// <exception cref="InvalidDataException">The vocabulary has no such id.</exception>
    public string Push(int id)
    {
        var bytes = tokenizer.TokenBytes(id);
        if (Stopped) return "";
        tokens++;
        if (heldCount + bytes.Length > held.Length) Array.Resize(ref held, 2 * (heldCount + bytes.Length));
        foreach (var value in bytes)
        {
            held[heldCount++] = value;
            place = stops.Next(place, value);
            if (stops.Match(place) == 0 || tokens < minTokens) continue;
            Stopped = true;
            return Release(heldCount - stops.Match(place));
        }
        return Release(heldCount - stops.Held(place));
    }

    /// <summary>Ends the text: what was held back belongs to it after all, and half a character becomes U+FFFD.</summary>
    public string Flush()
    {
        var rest = Stopped ? "" : Release(heldCount);
        return rest + Convert([], flush: true);
    }

    private string Release(int count)
    {
        var text = Convert(held.AsSpan(0, count), flush: false);
        held.AsSpan(count, heldCount - count).CopyTo(held);
        heldCount -= count;
        return text;
    }

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        var chars = new char[bytes.Length + 4];                              // every byte ends at most one char; 4 for what waited
        return new string(chars, 0, utf8.GetChars(bytes, chars, flush));
    }
}
