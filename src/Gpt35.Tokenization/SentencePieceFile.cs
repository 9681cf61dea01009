using System.Buffers.Binary;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>The fields of a SentencePiece model file that matter to a BPE model with byte fallback (google/sentencepiece, sentencepiece_model.proto).</summary>
internal static class SentencePieceFile
{
    private const int Bpe = 2;
    // Field numbers: of the model; of a piece; of trainer_spec; of normalizer_spec.
    private const int Pieces = 1, Trainer = 2, Normalizer = 3;
    private const int PieceText = 1, PieceScore = 2, PieceKind = 3;
    private const int ModelType = 3, VocabularySize = 4, ByteFallback = 35, UnknownId = 40, BeginId = 41, EndId = 42;
    private const int NormalizerName = 1, AddDummyPrefix = 3, RemoveExtraSpaces = 4, EscapeSpaces = 5;

    public static byte[] Write(TokenizerParts parts)
    {
        var model = new Message();
        for (var id = 0; id < parts.Tokens.Count; id++)
            model.Bytes(Pieces, new Message().Bytes(PieceText, Encoding.UTF8.GetBytes(parts.Tokens[id])).Single(PieceScore, parts.Scores![id]).Number(PieceKind, (int)parts.Kinds[id]).ToArray());
        model.Bytes(Trainer, new Message().Number(ModelType, Bpe).Number(VocabularySize, parts.Tokens.Count).Number(ByteFallback, parts.Kinds.Contains(TokenKind.Byte) ? 1 : 0)
            .Number(UnknownId, parts.Unknown).Number(BeginId, parts.Begin).Number(EndId, parts.End).ToArray());
        model.Bytes(Normalizer, new Message().Bytes(NormalizerName, "identity"u8).Number(AddDummyPrefix, parts.AddsSpace ? 1 : 0)
            .Number(RemoveExtraSpaces, parts.RemovesExtraSpaces ? 1 : 0).Number(EscapeSpaces, 1).ToArray());
        return model.ToArray();
    }

    /// <param name="content">A model that the library has read, so that it is well formed.</param>
    /// <exception cref="InvalidDataException">It is no BPE model, but one of SentencePiece's other kinds.</exception>
    public static TokenizerParts Read(ReadOnlySpan<byte> content)
    {
        var (tokens, scores, kinds) = (new List<string>(), new List<float>(), new List<TokenKind>());
        var (type, unknown, begin, end, adds, removes) = (1, 0, 1, 2, true, true);    // defaults of the format
        foreach (var model in Fields(content))
        {
            if (model.Number == Pieces)
            {
                var (text, score, kind) = ("", 0f, TokenKind.Normal);
                foreach (var field in Fields(content[model.Start..model.End]))
                {
                    if (field.Number == PieceText) text = Encoding.UTF8.GetString(content[model.Start..model.End][field.Start..field.End]);
                    else if (field.Number == PieceScore) score = BinaryPrimitives.ReadSingleLittleEndian(content[model.Start..model.End][field.Start..field.End]);
                    else if (field.Number == PieceKind) kind = (TokenKind)field.Value;
                }
                tokens.Add(text);
                scores.Add(score);
                kinds.Add(kind);
            }
            else if (model.Number == Trainer)
            {
                foreach (var field in Fields(content[model.Start..model.End]))
                    (type, unknown, begin, end) = field.Number switch
                    {
                        ModelType => ((int)field.Value, unknown, begin, end),
                        UnknownId => (type, (int)field.Value, begin, end),
                        BeginId => (type, unknown, (int)field.Value, end),
                        EndId => (type, unknown, begin, (int)field.Value),
                        _ => (type, unknown, begin, end),
                    };
            }
            else if (model.Number == Normalizer)
            {
                foreach (var field in Fields(content[model.Start..model.End]))
                    (adds, removes) = field.Number switch
                    {
                        AddDummyPrefix => (field.Value != 0, removes),
                        RemoveExtraSpaces => (adds, field.Value != 0),
                        _ => (adds, removes),
                    };
            }
        }
        if (type != Bpe) throw new InvalidDataException($"The SentencePiece model is of type {type}; expected {Bpe} (BPE), the only one that other formats have.");
        return new TokenizerParts
        {
            Tokens = tokens,
            Scores = scores,
            Kinds = kinds,
            Unknown = unknown,
            Begin = begin,
            End = end,
            AddsSpace = adds,
            RemovesExtraSpaces = removes,
        };
    }

    /// <summary>A field: its number, and either its bytes' place or its value.</summary>
    private readonly record struct Field(int Number, long Value, int Start, int End);

    private static List<Field> Fields(ReadOnlySpan<byte> message)
    {
        var fields = new List<Field>();
        for (var at = 0; at < message.Length;)
        {
            var tag = Varint(message, ref at);
            var (number, wire) = ((int)(tag >> 3), (int)(tag & 7));
            var value = wire is 0 or 2 ? Varint(message, ref at) : 0;
            var length = wire switch { 0 => 0, 1 => 8, 2 => value, 5 => 4, _ => -1 };
            if (length < 0 || length > message.Length - at) throw new InvalidDataException("The SentencePiece model is damaged: a field reaches beyond its end.");
            fields.Add(new Field(number, value, at, at + (int)length));
            at += (int)length;
        }
        return fields;
    }

    private static long Varint(ReadOnlySpan<byte> message, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; at < message.Length && shift < 64; shift += 7)
        {
            var next = message[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return (long)value;
        }
        throw new InvalidDataException("The SentencePiece model is damaged: a number has no end.");
    }

    /// <summary>A protobuf message being written.</summary>
    private sealed class Message
    {
        private readonly MemoryStream stream = new();

        public Message Bytes(int field, ReadOnlySpan<byte> bytes)
        {
            Varint((uint)field << 3 | 2);
            Varint((uint)bytes.Length);
            stream.Write(bytes);
            return this;
        }

        public Message Number(int field, int value)
        {
            Varint((uint)field << 3);
            Varint((ulong)(long)value);
            return this;
        }

        public Message Single(int field, float value)
        {
            Varint((uint)field << 3 | 5);
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
            stream.Write(bytes);
            return this;
        }

        public byte[] ToArray() => stream.ToArray();

        private void Varint(ulong value)
        {
            for (; value >= 0x80; value >>= 7) stream.WriteByte((byte)(value | 0x80));
            stream.WriteByte((byte)value);
        }
    }
}
