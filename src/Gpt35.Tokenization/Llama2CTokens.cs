using System.Buffers.Binary;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>
/// llama2.c's <c>tokenizer.bin</c>: an int32 with the length of the longest token; for each token a float32 score, an int32 length and its bytes. The
/// first three are the unknown token and the two that begin and end a document, the next 256 the bytes (karpathy/llama2.c, tokenizer.py).
/// </summary>
internal static class Llama2CTokens
{
    private const int FirstByte = 3, FirstPiece = FirstByte + 256;

    /// <summary>Null where the content is something else.</summary>
    public static TokenizerParts? TryRead(ReadOnlySpan<byte> content)
    {
        if (content.Length < 4 + 8 * FirstPiece) return null;
        var longest = BinaryPrimitives.ReadInt32LittleEndian(content);
        if (longest is < 1 or > 1 << 16) return null;
        var (tokens, scores, kinds) = (new List<string>(), new List<float>(), new List<TokenKind>());
        for (var at = 4; at < content.Length;)
        {
            if (content.Length - at < 8) return null;
            var score = BinaryPrimitives.ReadSingleLittleEndian(content[at..]);
            var length = BinaryPrimitives.ReadInt32LittleEndian(content[(at + 4)..]);
            at += 8;
            if (length < 0 || length > longest || length > content.Length - at || float.IsNaN(score)) return null;
            var id = tokens.Count;
            tokens.Add(id switch
            {
                0 => "<unk>",
                1 => "<s>",
                2 => "</s>",
                < FirstPiece => $"<0x{id - FirstByte:X2}>",
                _ => Encoding.UTF8.GetString(content.Slice(at, length)).Replace(' ', '▁'),
            });
            scores.Add(score);
            kinds.Add(id switch { 0 => TokenKind.Unknown, 1 or 2 => TokenKind.Control, < FirstPiece => TokenKind.Byte, _ => TokenKind.Normal });
            at += length;
        }
        return tokens.Count <= FirstPiece ? null : new TokenizerParts { Tokens = tokens, Scores = scores, Kinds = kinds };
    }
}
