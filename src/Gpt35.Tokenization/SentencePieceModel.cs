using System.Collections.ObjectModel;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Gpt35.Tokenization;

/// <summary>
/// A SentencePiece <c>tokenizer.model</c>, as Llama 2 and Mistral have, through Microsoft.ML.Tokenizers. Bytes of pieces are ours: ▁ is a space,
/// &lt;0xNN&gt; is a byte.
/// </summary>
internal sealed class SentencePieceModel : TokenModel
{
    public const string FileName = "tokenizer.model";

    private readonly byte[] content;
    private readonly SentencePieceTokenizer library;
    private readonly byte[][] bytes;

    private SentencePieceModel(byte[] content, SentencePieceTokenizer library)
    {
        (this.content, this.library) = (content, library);
        bytes = new byte[library.Vocabulary.Values.Max() + 1][];
        Array.Fill(bytes, []);
        var special = new Dictionary<string, int>(StringComparer.Ordinal)
        {
            [library.UnknownToken] = library.UnknownId,
            [library.BeginningOfSentenceToken] = library.BeginningOfSentenceId,
            [library.EndOfSentenceToken] = library.EndOfSentenceId,
        };
        SpecialTokens = new ReadOnlyDictionary<string, int>(special);
        SpecialNames = special.ToDictionary(token => token.Value, token => token.Key);
        foreach (var (piece, id) in library.Vocabulary)
            if (!SpecialNames.ContainsKey(id)) bytes[id] = BytesOf(piece);
    }

    public override int Size => bytes.Length;
    public override IReadOnlyDictionary<string, int> SpecialTokens { get; }
    public override IReadOnlyDictionary<int, string> SpecialNames { get; }
    public override IReadOnlyDictionary<string, int> AddedTokens => ReadOnlyDictionary<string, int>.Empty;
    public override int? StartOfText => library.BeginningOfSentenceId;
    public override int? EndOfText => library.EndOfSentenceId;
    public override bool AddsSpace => library.AddDummyPrefix;

    public override ReadOnlySpan<byte> BytesOf(int id) => bytes[id];

    public override void Encode(ReadOnlySpan<byte> text, ref IdBuffer output)
    {
        if (text.IsEmpty) return;
        foreach (var id in library.EncodeToIds(Encoding.UTF8.GetString(text), addBeginningOfSentence: false, addEndOfSentence: false)) output.Add(id);
    }

    public void Write(Stream stream) => stream.Write(content);

    /// <exception cref="InvalidDataException">It is no BPE model.</exception>
    public TokenizerParts ToParts() => SentencePieceFile.Read(content);

    /// <exception cref="InvalidDataException">The file is no SentencePiece model.</exception>
    public static SentencePieceModel Read(string file) => Read(File.ReadAllBytes(file), file);

    /// <param name="content">The model.</param>
    /// <param name="file">Where it comes from, for messages.</param>
    public static SentencePieceModel Read(byte[] content, string file)
    {
        try
        {
            using var stream = new MemoryStream(content);
            return new SentencePieceModel(content, LlamaTokenizer.Create(stream, addBeginOfSentence: false, addEndOfSentence: false));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The library reports a broken model by whatever its parser stumbles over.
            throw new InvalidDataException($"{file}: found no SentencePiece model ({e.Message.Split('\n')[0].TrimEnd('.', '\r')}). " +
                $"Expected the {FileName} of a Llama 2 or Mistral model, complete; copy it again.", e);
        }
    }

    private static byte[] BytesOf(string piece) =>
        piece is ['<', '0', 'x', var high, var low, '>'] && char.IsAsciiHexDigit(high) && char.IsAsciiHexDigit(low)
            ? [Convert.ToByte(piece[3..5], 16)]
            : Encoding.UTF8.GetBytes(piece.Replace('▁', ' '));
}
