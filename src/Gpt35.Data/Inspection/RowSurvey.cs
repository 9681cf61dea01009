namespace Gpt35.Data;

/// <summary>What became of one row of a file: a record, or the reason why there is none.</summary>
/// <param name="Place">"file:line"; the number of the document where a file has no rows.</param>
/// <param name="Record">The record, null where there is none.</param>
/// <param name="LeftOut">Why readers leave the row out with a warning: it teaches nothing.</param>
/// <param name="Fault">Why readers refuse the file at this row.</param>
internal readonly record struct SurveyedRow(string Place, DataRecord? Record, string? LeftOut, string? Fault);

/// <summary>Reads a file as <see cref="RecordReader"/> does, but goes on after rows that readers refuse.</summary>
internal static class RowSurvey
{
    /// <exception cref="InvalidDataException">The file itself is damaged, so that there is no next row.</exception>
    public static IEnumerable<SurveyedRow> Read(string path, RecordKind kind) => kind switch
    {
        RecordKind.Text when DataFormats.IsPlainText(path) =>
            RecordReader.ReadText(path).Select((text, i) => new SurveyedRow($"{path}, document {i + 1}", new TextRecord(text), null, null)),
        RecordKind.Text => Rows(path, Text),
        RecordKind.Demonstrations => Rows(path, RowShapes.Demonstration),
        RecordKind.Rankings => Rows(path, RowShapes.Ranking),
        RecordKind.Unpaired => Rows(path, RowShapes.Unpaired),
        _ => Rows(path, RowShapes.Prompt),
    };

    private static IEnumerable<SurveyedRow> Rows<T>(string path, RowParser<T> parse) where T : DataRecord
    {
        foreach (var (row, broken) in RowSource.Read(path).SelectMany(Instances))
        {
            var place = row.Place;
            T? record = null;
            string? leftOut = null, fault = broken;
            try
            {
                if (broken is null) record = parse(row, out leftOut);
                if (record is not null) leftOut = null;
            }
            catch (InvalidDataException e)
            {
                fault = e.Message;
            }
            // The same fault in many rows is one finding, so the place goes.
            if (fault?.StartsWith($"{place}: ", StringComparison.Ordinal) == true) fault = fault[(place.Length + 2)..];
            yield return new SurveyedRow(place, record is null ? null : record with { Origin = new Origin(place) }, leftOut, fault);
        }
    }

    /// <summary>The rows within a row, or the row and why it cannot be taken apart.</summary>
    private static IEnumerable<(Row Row, string? Broken)> Instances(Row row)
    {
        try
        {
            return [.. RowShapes.Instances(row).Select(instance => (instance, (string?)null))];
        }
        catch (InvalidDataException e)
        {
            return [(row, e.Message)];
        }
    }

    private static TextRecord? Text(in Row row, out string reason) => RowShapes.Text(row, out reason) is { } text ? new TextRecord(text) : null;
}
