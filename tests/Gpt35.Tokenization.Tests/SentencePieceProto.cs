using System.Text;

namespace Gpt35.Tokenization.Tests;

/// <summary>Writes a SentencePiece model, as Llama 2 has: BPE, byte fallback, a space put first (google/sentencepiece, sentencepiece_model.proto).</summary>
internal static class SentencePieceProto
{
    private const int Normal = 1, Unknown = 2, Control = 3, Byte = 6;

    /// <param name="pieces">&lt;unk&gt;, &lt;s&gt;, &lt;/s&gt;, the bytes, the rest.</param>
    /// <param name="scores">The higher, the earlier merged; by default the order of the pieces.</param>
    public static byte[] Of(string[] pieces, float[]? scores = null)
    {
        using var model = new MemoryStream();
        for (var id = 0; id < pieces.Length; id++)
        {
            using var piece = new MemoryStream();
            WriteBytes(piece, 1, Encoding.UTF8.GetBytes(pieces[id]));
            WriteVarint(piece, 2 << 3 | 5);
            piece.Write(BitConverter.GetBytes(scores?[id] ?? -id));
            WriteNumber(piece, 3, id switch { 0 => Unknown, 1 or 2 => Control, < 259 => Byte, _ => Normal });
            WriteBytes(model, 1, piece.ToArray());
        }
        using var trainer = new MemoryStream();
        foreach (var (field, value) in new[] { (3, 2), (4, pieces.Length), (35, 1), (40, 0), (41, 1), (42, 2) }) WriteNumber(trainer, field, value);
        WriteBytes(model, 2, trainer.ToArray());
        using var normalizer = new MemoryStream();
        WriteBytes(normalizer, 1, "identity"u8.ToArray());
        foreach (var (field, value) in new[] { (3, 1), (4, 0), (5, 1) }) WriteNumber(normalizer, field, value);
        WriteBytes(model, 3, normalizer.ToArray());
        return model.ToArray();
    }

    private static void WriteBytes(MemoryStream stream, int field, byte[] bytes)
    {
        WriteVarint(stream, field << 3 | 2);
        WriteVarint(stream, bytes.Length);
        stream.Write(bytes);
    }

    private static void WriteNumber(MemoryStream stream, int field, int value)
    {
        WriteVarint(stream, field << 3);
        WriteVarint(stream, value);
    }

    private static void WriteVarint(MemoryStream stream, int value)
    {
        for (; value >= 0x80; value >>= 7) stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }
}
