namespace Gpt35.Model;

/// <summary>
/// A tensor of a file format as a part of one of our parameters: some of its columns, as they are or transposed, with the pairs of rotary
/// positions half a head apart (ours) or side by side (theirs). The same description serves reading and writing.
/// </summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Shape">Shape in the file, row-major.</param>
/// <param name="Parameter">The parameter it is a part of.</param>
/// <param name="FirstColumn">Its first column there; a vector is one row.</param>
/// <param name="Transposed">Whether its rows are our columns: (out, in) in the file, (in, out) here.</param>
/// <param name="PairedHeadSize">K where rotary pairs are side by side in the file: element 2i + s of a head is our element i + s·K/2. 0: the order is ours.</param>
internal sealed record TensorPart(string Name, int[] Shape, Parameter Parameter, int FirstColumn = 0, bool Transposed = false, int PairedHeadSize = 0)
{
    private const int FloatsAtOnce = 1 << 20, TileRows = 8;                    // a transposition in tiles stays in the cache

    private int ParameterColumns => Parameter.Shape[^1];
    public int Rows => Shape.Length == 1 ? 1 : Shape[0];
    public int Columns => Shape[^1];

    /// <summary>Rows that are read or written together.</summary>
    public int RowsAtOnce => Math.Clamp(FloatsAtOnce / Columns, 1, Rows);

    /// <summary>Copies rows of the part out of the parameter.</summary>
    /// <param name="parameter">All of the parameter.</param>
    /// <param name="firstRow">First row of the part.</param>
    /// <param name="rows">Receives (n, Columns).</param>
    public void Gather(ReadOnlySpan<float> parameter, int firstRow, Span<float> rows)
    {
        if (IsPlain)
        {
            for (var (row, at) = (firstRow, 0); at < rows.Length; row++, at += Columns)
                parameter.Slice(Start(row), Columns).CopyTo(rows[at..]);
            return;
        }
        var count = rows.Length / Columns;
        if (!Transposed)
        {
            for (var column = 0; column < Columns; column++) rows[column] = parameter[FirstColumn + Ours(column)];
            return;
        }
        for (var tile = 0; tile < count; tile += TileRows)
            for (var column = 0; column < Columns; column++)
                for (var row = tile; row < Math.Min(count, tile + TileRows); row++)
                    rows[row * Columns + column] = parameter[column * ParameterColumns + FirstColumn + Ours(firstRow + row)];
    }

    /// <summary>The inverse of <see cref="Gather"/>.</summary>
    public void Scatter(ReadOnlySpan<float> rows, int firstRow, Span<float> parameter)
    {
        if (IsPlain)
        {
            for (var (row, at) = (firstRow, 0); at < rows.Length; row++, at += Columns)
                rows.Slice(at, Columns).CopyTo(parameter[Start(row)..]);
            return;
        }
        var count = rows.Length / Columns;
        if (!Transposed)
        {
            for (var column = 0; column < Columns; column++) parameter[FirstColumn + Ours(column)] = rows[column];
            return;
        }
        for (var tile = 0; tile < count; tile += TileRows)
            for (var column = 0; column < Columns; column++)
                for (var row = tile; row < Math.Min(count, tile + TileRows); row++)
                    parameter[column * ParameterColumns + FirstColumn + Ours(firstRow + row)] = rows[row * Columns + column];
    }

    /// <summary>Fills the part's share of the parameter from a stored tensor of its shape.</summary>
    public void Read(StoredTensor stored, Span<float> parameter)
    {
        var buffer = new float[RowsAtOnce * Columns];
        for (var row = 0; row < Rows; row += RowsAtOnce)
        {
            var rows = buffer.AsSpan(0, Math.Min(RowsAtOnce, Rows - row) * Columns);
            stored.Read((long)row * Columns, rows);
            Scatter(rows, row, parameter);
        }
    }

    private bool IsPlain => !Transposed && PairedHeadSize == 0;
    private int Start(int row) => row * ParameterColumns + FirstColumn;

    /// <summary>Our place of an output of the part.</summary>
    private int Ours(int index)
    {
        if (PairedHeadSize == 0) return index;
        var inHead = index % PairedHeadSize;
        return index - inHead + inHead % 2 * (PairedHeadSize / 2) + inHead / 2;
    }
}

/// <summary>Fills a span with all numbers of a parameter, from memory or from a file.</summary>
internal delegate void ParameterReader(Parameter parameter, Span<float> values);

/// <summary>Writes the bytes of parts one after the other, in bounded memory: one parameter and some rows at a time.</summary>
internal sealed class PartWriter(ParameterReader read)
{
    private Parameter? held;
    private float[] values = [];

    /// <summary>Writes all numbers of the part in the type given.</summary>
    public void Write(TensorPart part, TensorType type, Stream stream)
    {
        if (held != part.Parameter)
        {
            if (values.Length < part.Parameter.Count) values = new float[part.Parameter.Count];
            read(part.Parameter, values.AsSpan(0, (int)part.Parameter.Count));
            held = part.Parameter;
        }
        var rows = new float[part.RowsAtOnce * part.Columns];
        var bytes = new byte[type.BytesOf(rows.Length)];
        for (var row = 0; row < part.Rows; row += part.RowsAtOnce)
        {
            var some = rows.AsSpan(0, Math.Min(part.RowsAtOnce, part.Rows - row) * part.Columns);
            part.Gather(values, row, some);
            TensorCodec.Encode(type, some, bytes);
            stream.Write(bytes, 0, (int)type.BytesOf(some.Length));
        }
    }
}
