using System.CommandLine;
using System.Globalization;
using Gpt35.Data;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 data convert IN OUT</c>: any data file as JSONL of a given form.</summary>
internal static class DataConvertVerb
{
    public static Command Create(Session session)
    {
        var forms = Enum.GetValues<RecordForm>().ToDictionary(RecordConversion.NameOf);
        var input = new Argument<string>("in") { Description = "Data file in any format that can be read." };
        var output = new Argument<string>("out") { Description = "File to write: .jsonl or .jsonl.gz." };
        var to = new Option<string?>("--to") { Description = $"What to make: {string.Join(", ", forms.Keys)}. Default: what the file holds." }.OneOf([.. forms.Keys]);
        var command = new Command("convert", "Write a data file as JSONL, as it is or as records of another kind.") { input, output, to };
        command.SetAction(parsed =>
        {
            var (from, path) = (parsed.GetRequiredValue(input), OutputFile.RequireNewRows(parsed.GetRequiredValue(output)));
            var kind = RecordReader.Recognize(from);
            var form = parsed.GetValue(to) is { } name ? forms[name] : RecordConversion.FormOf(kind);
            long read = 0, written = 0;
            var records = RecordFile.Read(from, kind, session.Error.WriteLine).Select(record => { read++; return record; });
            IEnumerable<DataRecord> converted;
            try
            {
                converted = RecordConversion.Convert(records, kind, form).Select(record => { written++; return record; });
            }
            catch (InvalidDataException e)
            {
                throw new InvalidDataException($"{from}: {e.Message}", e);
            }
            DataOutput.Write(path, session, () => RecordConversion.Write(path, form, DataOutput.Stoppable(converted, session)));
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture, $"{written:N0} rows as {RecordConversion.NameOf(form)} in {path}, from {read:N0} of {DataOutput.NameOf(kind)}"));
            return ExitCode.Done;
        });
        return command;
    }
}
