using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace Gpt35.Data;

/// <summary>
/// A column of one row group of a Parquet file, or a part of one, that is put together to values again: each leaf is a run of entries with a repetition
/// level (which list the entry continues; 0 begins a row) and a definition level (how far down its path something is there). Melnik et al. 2010,
/// "Dremel", section 4.
/// </summary>
internal abstract class ParquetColumn(Field column)
{
    /// <summary>Entries that one leaf may have in one row group. Writers make groups of a million rows at most; each entry takes up to 24 bytes.</summary>
    public const long MaxEntries = 1 << 25;

    protected int Definition => column.MaxDefinitionLevel;
    protected int Repetition => column.MaxRepetitionLevel;

    /// <summary>Levels of the next entry of the first leaf.</summary>
    protected abstract int NextDefinition { get; }
    protected abstract int NextRepetition { get; }

    /// <summary>Whether every entry has been read.</summary>
    public abstract bool IsAtEnd { get; }

    /// <summary>Whether every leaf has come to the end of a row.</summary>
    public abstract bool IsAtRow { get; }

    /// <summary>Writes the next value and steps over it.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>Steps over the one entry in each leaf that says that nothing is there.</summary>
    protected abstract void Skip();

    public static ParquetColumn Load(Field column, ParquetRowGroupReader group, Stream file) => column switch
    {
        DataField data => LoadLeaf(data, group, file),
        ListField list => new List(list, Load(list.Item, group, file)),
        StructField { Fields.Count: > 0 } parts => new Struct(parts, [.. parts.Fields.Select(part => (part.Name, Load(part, group, file)))]),
        _ => throw Unfit(column, column.SchemaType.ToString()),
    };

    private static Leaf LoadLeaf(DataField column, ParquetRowGroupReader group, Stream file)
    {
        var metadata = group.GetMetadata(column)?.MetaData ?? throw new InvalidDataException($"no data for the column \"{column.Path}\"");
        var entries = metadata.NumValues;
        if (entries is < 0 or > MaxEntries) throw new InvalidDataException($"{entries:N0} values of \"{column.Path}\" in one row group");
        ParquetThrift.RequirePages(file, metadata);
        using var raw = group.ReadRawColumnDataBaseAsync(column).AsTask().GetAwaiter().GetResult();
        var write = raw switch
        {
            RawColumnData<ReadOnlyMemory<byte>> texts => Text(texts.Values),
            RawColumnData<bool> flags => Flags(flags.Values),
            RawColumnData<sbyte> numbers => Whole(numbers.Values),
            RawColumnData<byte> numbers => Whole(numbers.Values),
            RawColumnData<short> numbers => Whole(numbers.Values),
            RawColumnData<ushort> numbers => Whole(numbers.Values),
            RawColumnData<int> numbers => Whole(numbers.Values),
            RawColumnData<uint> numbers => Whole(numbers.Values),
            RawColumnData<long> numbers => Whole(numbers.Values),
            RawColumnData<float> numbers => Real(numbers.Values),
            RawColumnData<double> numbers => Real(numbers.Values),
            _ => throw Unfit(column, column.ClrType.Name),
        };
        return new Leaf(column, (int)entries, column.MaxDefinitionLevel > 0 ? raw.DefinitionLevels[..(int)entries].ToArray() : null,
            column.MaxRepetitionLevel > 0 ? raw.RepetitionLevels[..(int)entries].ToArray() : null, write);
    }

    private static InvalidDataException Unfit(Field column, string type) =>
        new($"the column \"{column.Path}\" of type {type}; records are made of text, numbers, lists and structs");

    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    // The values are copied: the library takes its buffers back.
    private static Action<Utf8JsonWriter, int> Text(Span<ReadOnlyMemory<byte>> values)
    {
        var texts = new byte[values.Length][];
        for (var i = 0; i < texts.Length; i++) texts[i] = values[i].ToArray();
        return (json, at) => json.WriteStringValue(Utf8.GetString(texts[at]));
    }

    private static Action<Utf8JsonWriter, int> Flags(Span<bool> values)
    {
        var flags = values.ToArray();
        return (json, at) => json.WriteBooleanValue(flags[at]);
    }

    private static Action<Utf8JsonWriter, int> Whole<T>(Span<T> values) where T : IBinaryInteger<T>
    {
        var numbers = values.ToArray();
        return (json, at) => json.WriteNumberValue(long.CreateChecked(numbers[at]));
    }

    // What is no number in JSON is none here either, but a text, which nothing takes for a rank.
    private static Action<Utf8JsonWriter, int> Real<T>(Span<T> values) where T : IFloatingPoint<T>
    {
        var numbers = values.ToArray();
        return (json, at) =>
        {
            if (T.IsFinite(numbers[at])) json.WriteNumberValue(double.CreateChecked(numbers[at]));
            else json.WriteStringValue(numbers[at].ToString(null, CultureInfo.InvariantCulture));
        };
    }

    private sealed class Struct(Field column, (string Name, ParquetColumn Column)[] parts) : ParquetColumn(column)
    {
        protected override int NextDefinition => parts[0].Column.NextDefinition;
        protected override int NextRepetition => parts[0].Column.NextRepetition;
        public override bool IsAtEnd => Array.TrueForAll(parts, part => part.Column.IsAtEnd);
        public override bool IsAtRow => Array.TrueForAll(parts, part => part.Column.IsAtRow);

        protected override void Skip()
        {
            foreach (var (_, part) in parts) part.Skip();
        }

        public override void Write(Utf8JsonWriter json)
        {
            if (NextDefinition < Definition)
            {
                Skip();
                json.WriteNullValue();
                return;
            }
            json.WriteStartObject();
            foreach (var (name, part) in parts)
            {
                json.WritePropertyName(name);
                part.Write(json);
            }
            json.WriteEndObject();
        }
    }

    private sealed class List(Field column, ParquetColumn item) : ParquetColumn(column)
    {
        protected override int NextDefinition => item.NextDefinition;
        protected override int NextRepetition => item.NextRepetition;
        public override bool IsAtEnd => item.IsAtEnd;
        public override bool IsAtRow => item.IsAtRow;
        protected override void Skip() => item.Skip();

        public override void Write(Utf8JsonWriter json)
        {
            // The level of an element, less one: the list is there and empty. Still less: there is no list.
            var definition = NextDefinition;
            if (definition < Definition - 1) json.WriteNullValue();
            else json.WriteStartArray();
            if (definition < Definition) Skip();
            else do item.Write(json); while (!item.IsAtEnd && item.NextRepetition >= Repetition);
            if (definition >= Definition - 1) json.WriteEndArray();
        }
    }

    private sealed class Leaf(DataField column, int entries, int[]? definitions, int[]? repetitions, Action<Utf8JsonWriter, int> write) : ParquetColumn(column)
    {
        private int at, value;

        protected override int NextDefinition => at == entries ? throw new InvalidDataException($"fewer values than rows in \"{column.Path}\"") : definitions?[at] ?? Definition;
        protected override int NextRepetition => repetitions?[at] ?? 0;
        public override bool IsAtEnd => at == entries;
        public override bool IsAtRow => IsAtEnd || NextRepetition == 0;
        protected override void Skip() => at++;

        public override void Write(Utf8JsonWriter json)
        {
            if (!column.IsArray)
            {
                WriteOne(json);
                return;
            }
            // A repeated leaf without a list around it, as old writers make them.
            json.WriteStartArray();
            if (NextDefinition < Definition) Skip();
            else do WriteOne(json); while (!IsAtEnd && NextRepetition == Repetition);
            json.WriteEndArray();
        }

        private void WriteOne(Utf8JsonWriter json)
        {
            if (NextDefinition == Definition) write(json, value++);
            else json.WriteNullValue();
            at++;
        }
    }
}
