using System.Buffers;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>How often each word occurs. Words are numbered by first occurrence and lie end to end in one buffer.</summary>
internal sealed class WordCounter(PreTokenizer preTokenizer)
{
    private readonly List<int> starts = [0];                                // word w is bytes[starts[w]..starts[w + 1]]
    private readonly List<long> counts = [];
    private byte[] bytes = new byte[1 << 16];
    private int[] slots = new int[1 << 14];                                 // word number plus one; 0 where free

    public int Count => counts.Count;

    /// <summary>Bytes of all distinct words together.</summary>
    public int TotalBytes => starts[^1];

    public ReadOnlySpan<byte> Word(int index) => bytes.AsSpan(starts[index]..starts[index + 1]);

    public long Occurrences(int index) => counts[index];

    /// <summary>Counts the words of <paramref name="text"/>.</summary>
    /// <returns>Length of the text in UTF-8.</returns>
    public int AddText(string text)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetByteCount(text));
        try
        {
            var utf8 = buffer.AsSpan(0, Encoding.UTF8.GetBytes(text, buffer));
            for (int start = 0, end; start < utf8.Length; start = end)
            {
                end = preTokenizer.NextEnd(utf8, start);
                AddWord(utf8[start..end], 1);
            }
            return utf8.Length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Adds the counts of <paramref name="other"/>.</summary>
    public void Add(WordCounter other)
    {
        for (var word = 0; word < other.Count; word++) AddWord(other.Word(word), other.Occurrences(word));
    }

    public void Write(BinaryWriter writer)
    {
        writer.Write(Count);
        for (var word = 0; word < Count; word++)
        {
            writer.Write7BitEncodedInt(Word(word).Length);
            writer.Write(Word(word));
            writer.Write7BitEncodedInt64(Occurrences(word));
        }
    }

    /// <exception cref="EndOfStreamException">There is less than was written.</exception>
    /// <exception cref="FormatException">Something else was written.</exception>
    public static WordCounter Read(BinaryReader reader, PreTokenizer preTokenizer)
    {
        var counter = new WordCounter(preTokenizer);
        for (var count = reader.ReadInt32(); count > 0; count--)
        {
            var length = reader.Read7BitEncodedInt();
            // A wild length in a broken file must not ask for memory that the file cannot fill.
            if (length < 0 || length > reader.BaseStream.Length) throw new EndOfStreamException();
            var word = reader.ReadBytes(length);
            if (word.Length < length) throw new EndOfStreamException();
            counter.AddWord(word, reader.Read7BitEncodedInt64());
        }
        return counter;
    }

    private void AddWord(ReadOnlySpan<byte> word, long times)
    {
        var slot = FreeSlotOrSlotOf(word);
        if (slots[slot] > 0)
        {
            counts[slots[slot] - 1] += times;
            return;
        }
        var start = TotalBytes;
        var end = checked(start + word.Length);
        if (end > bytes.Length) Array.Resize(ref bytes, (int)Math.Min(Array.MaxLength, Math.Max(2L * bytes.Length, end)));
        word.CopyTo(bytes.AsSpan(start));
        starts.Add(end);
        counts.Add(times);
        slots[slot] = Count;
        if (2 * Count > slots.Length) GrowSlots();
    }

    private int FreeSlotOrSlotOf(ReadOnlySpan<byte> word)
    {
        var slot = (int)(WordHash.Of(word) & (uint)(slots.Length - 1));
        while (slots[slot] > 0 && !word.SequenceEqual(Word(slots[slot] - 1))) slot = slot + 1 & slots.Length - 1;
        return slot;
    }

    private void GrowSlots()
    {
        slots = new int[checked(4 * slots.Length)];
        for (var word = 0; word < Count; word++) slots[FreeSlotOrSlotOf(Word(word))] = word + 1;
    }
}
