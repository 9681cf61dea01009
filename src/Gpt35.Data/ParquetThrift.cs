using System.Buffers.Binary;
using Parquet.Meta;

namespace Gpt35.Data;

/// <summary>
/// Holds the structures of a Parquet file (footer and page headers, in Thrift's compact protocol) to what parquet.thrift says, before the library reads
/// them: of one wrong byte it can make a loop of billions of steps, a recursion that ends the process, or an array of gigabytes.
/// </summary>
internal sealed class ParquetThrift
{
    private const int True = 1, False = 2, Byte = 3, I16 = 4, I32 = 5, I64 = 6, Double = 7, Binary = 8, List = 9, Structure = 12;
    private const int MaxDepth = 32, MaxFooter = 1 << 28;
    private const long MaxPage = 1 << 30;

    /// <summary>A type: how it is written, what a list holds, what a structure has. Of other fields than these only the form is held to.</summary>
    private sealed record Type(int Wire, Type? Of = null, Dictionary<int, Type>? Fields = null);

    private static readonly Type Short = new(I16), Int = new(I32), Long = new(I64), Text = new(Binary), Flag = new(True), Small = new(Byte), Any = new(Structure);

    private static Type ListOf(Type element) => new(List, element);
    private static Type Struct(params Type?[] fields) => new(Structure, Fields: fields.Select((type, at) => (at, type)).Where(field => field.type is not null).ToDictionary(field => field.at + 1, field => field.type!));

    private static readonly Type
        Statistics = Struct(Text, Text, Long, Long, Text, Text, Flag, Flag),
        KeyValue = Struct(Text, Text),
        Time = Struct(Flag, Any),
        Logical = Struct(Any, Any, Any, Any, Struct(Int, Int), Any, Time, Time, null, Struct(Small, Flag), Any, Any, Any, Any, Any),
        Element = Struct(Int, Int, Int, Text, Int, Int, Int, Int, Int, Logical),
        Column = Struct(Int, ListOf(Int), ListOf(Text), Int, Long, Long, Long, ListOf(KeyValue), Long, Long, Long, Statistics, ListOf(Struct(Int, Int, Int)), Long, Int,
            Struct(Long, ListOf(Long), ListOf(Long))),
        Chunk = Struct(Text, Long, Column, Long, Int, Long, Int, Any, Text),
        Group = Struct(ListOf(Chunk), Long, Long, ListOf(Struct(Int, Flag, Flag)), Long, Long, Short),
        Footer = Struct(Int, ListOf(Element), Long, ListOf(Group), ListOf(KeyValue), Text, ListOf(Any), Any, Text),
        Page = Struct(Int, Int, Int, Int, Struct(Int, Int, Int, Int, Statistics), Any, Struct(Int, Int, Flag), Struct(Int, Int, Int, Int, Int, Int, Flag, Statistics));

    private readonly byte[] bytes;
    private readonly int length;
    private readonly long[] sizes = new long[4];        // the integers among the first three fields of the outermost structure
    private long values, dataValues;                     // the first field of a page's own header; the same of pages other than dictionaries
    private int at;

    private ParquetThrift(byte[] bytes, int length) => (this.bytes, this.length) = (bytes, length);

    /// <exception cref="InvalidDataException">The footer is not as parquet.thrift has it.</exception>
    public static void RequireFooter(Stream file)
    {
        Span<byte> tail = stackalloc byte[8];
        if (file.Length < 12) throw new InvalidDataException("the end of the file before its footer");
        file.Position = file.Length - 8;
        file.ReadExactly(tail);
        var size = BinaryPrimitives.ReadInt32LittleEndian(tail);
        if (!tail[4..].SequenceEqual("PAR1"u8) || size <= 0 || size > Math.Min(MaxFooter, file.Length - 12)) throw new InvalidDataException("no footer at the end of the file");
        var footer = new byte[size];
        file.Position = file.Length - 8 - size;
        file.ReadExactly(footer);
        file.Position = 0;
        new ParquetThrift(footer, size).Walk(Structure, Footer, 0, 0);
    }

    /// <summary>Walks over the pages of a column of one row group, of which only the headers are read.</summary>
    /// <exception cref="InvalidDataException">They are not as parquet.thrift has them, or do not hold the values that the column should have.</exception>
    public static void RequirePages(Stream file, ColumnMetaData column)
    {
        var position = file.Position;
        var start = column.DictionaryPageOffset is > 0 and var dictionary ? dictionary : column.DataPageOffset;
        if (start < 4 || start > column.DataPageOffset || column.TotalCompressedSize < 0 || column.TotalCompressedSize > file.Length - start) throw new InvalidDataException("a column outside of the file");
        var (end, found) = (start + column.TotalCompressedSize, 0L);
        while (start < end && found < column.NumValues)
        {
            var header = ReadPage(file, start, end);
            var (unpacked, packed) = (header.sizes[2], header.sizes[3]);
            start += header.at + packed;
            found += header.dataValues;
            if (packed < 0 || start > end || unpacked is < 0 or > MaxPage || header.values is < 0 or > ParquetColumn.MaxEntries) throw new InvalidDataException("a page of impossible size");
        }
        if (found != column.NumValues) throw new InvalidDataException($"{found:N0} values in a column of {column.NumValues:N0}");
        file.Position = position;
    }

    private static ParquetThrift ReadPage(Stream file, long start, long end)
    {
        for (var size = 1 << 12; ; size <<= 4)
        {
            var buffer = new byte[Math.Min(size, end - start)];
            file.Position = start;
            file.ReadExactly(buffer);
            var header = new ParquetThrift(buffer, buffer.Length);
            try
            {
                header.Walk(Structure, Page, 0, 0);
                return header;
            }
            catch (EndOfStreamException) when (buffer.Length < end - start && size < 1 << 24) { }       // the header holds a long minimum or maximum
        }
    }

    private void Walk(int wire, Type? type, int depth, int field)
    {
        switch (wire)
        {
            case True or False: break;
            case Byte: Skip(1); break;
            case Double: Skip(8); break;
            case Binary: Skip(Varint(5)); break;
            case I16 or I32 or I64: Keep(wire == I64 ? Varint(10) : Varint(5), depth, field); break;
            case List: WalkList(type?.Of, depth + 1); break;
            case Structure when depth < MaxDepth: WalkStructure(type, depth + 1, field); break;
            default: throw new InvalidDataException("a field of no known form");
        }
    }

    private void WalkStructure(Type? type, int depth, int outer)
    {
        var field = 0;
        for (int head; (head = Next()) != 0;)
        {
            var (step, wire) = (head >> 4, head & 15);
            var before = field;
            field = step == 0 ? (int)ZigZag(Varint(3)) : field + step;
            if (field <= before || field > short.MaxValue) throw new InvalidDataException("fields out of order");
            var expected = type?.Fields?.GetValueOrDefault(field);
            if (expected is not null && expected.Wire != (wire == False ? True : wire)) throw new InvalidDataException("a field of another type");
            // Page headers are two deep: what they hold is told by the field that they are in.
            Walk(wire, expected, depth, depth == 1 ? field : outer * 100 + field);
        }
    }

    private void WalkList(Type? element, int depth)
    {
        var head = Next();
        var wire = head & 15;
        var count = head >> 4 == 15 ? Varint(5) : head >> 4;
        if (count == 0) return;
        // Each element takes a byte at least. A list of flags would too, but the library takes none for them; no list in a Parquet file is one.
        if (count > length - at || wire is True or False || (element is not null && element.Wire != wire)) throw new InvalidDataException("a list of impossible length or type");
        for (long i = 0; i < count; i++) Walk(wire, element, depth, 0);
    }

    private void Keep(long raw, int depth, int field)
    {
        var value = ZigZag(raw);
        if (depth == 1 && field is > 0 and <= 3) sizes[field] = value;
        if (depth != 2 || field is not (501 or 701 or 801)) return;
        values = value;
        if (field != 701) dataValues = value;
    }

    private static long ZigZag(long raw) => (long)((ulong)raw >> 1) ^ -(raw & 1);

    private int Next() => at < length ? bytes[at++] : throw new EndOfStreamException("the end of the data within a structure");

    private void Skip(long count)
    {
        if (count < 0 || count > length - at) throw new EndOfStreamException("the end of the data within a structure");
        at += (int)count;
    }

    private long Varint(int maxBytes)
    {
        long value = 0;
        for (var i = 0; i < maxBytes; i++)
        {
            var next = Next();
            value |= (long)(next & 127) << (7 * i);
            if (next < 128) return value;
        }
        throw new InvalidDataException("a number of too many bytes");
    }
}
