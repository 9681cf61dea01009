using System.Buffers;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>Finds the names of special or added tokens in text: the leftmost, and the longest of those that begin there.</summary>
internal sealed class TokenFinder
{
    private readonly (byte[] Name, int Id)[] tokens;                        // longest first
    private readonly SearchValues<byte> firstBytes;

    public TokenFinder(IEnumerable<KeyValuePair<string, int>> tokens)
    {
        this.tokens = [.. tokens.Select(token => (Encoding.UTF8.GetBytes(token.Key), token.Value)).OrderByDescending(token => token.Item1.Length)];
        firstBytes = SearchValues.Create([.. this.tokens.Select(token => token.Name[0]).Distinct()]);
    }

    /// <summary>The first token in <paramref name="text"/>; false where there is none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="at">Where it begins, in bytes.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="id">Its id.</param>
    public bool TryFind(ReadOnlySpan<byte> text, out int at, out int length, out int id)
    {
        for (at = 0; text[at..].IndexOfAny(firstBytes) is var skipped and >= 0; at++)
        {
            at += skipped;
            foreach (var (name, found) in tokens)
            {
                if (!text[at..].StartsWith(name)) continue;
                (length, id) = (name.Length, found);
                return true;
            }
        }
        (at, length, id) = (-1, 0, -1);
        return false;
    }
}
