namespace Gpt35.Data;

/// <summary>A document as a record, for what treats records of every kind alike.</summary>
public sealed record TextRecord(string Text) : DataRecord;

/// <summary>Files of records of any kind.</summary>
public static class RecordFile
{
    /// <summary>The records of a file as the given kind; documents as <see cref="TextRecord"/>.</summary>
    /// <exception cref="InvalidDataException">As <see cref="RecordReader"/>.</exception>
    public static IEnumerable<DataRecord> Read(string path, RecordKind kind, Action<string>? warn = null) => kind switch
    {
        RecordKind.Text => RecordReader.ReadText(path, warn).Select(text => new TextRecord(text)),
        RecordKind.Demonstrations => RecordReader.ReadDemonstrations(path, warn),
        RecordKind.Rankings => RecordReader.ReadRankings(path, warn),
        RecordKind.Unpaired => RecordReader.ReadUnpaired(path, warn),
        _ => RecordReader.ReadPrompts(path, warn),
    };

    /// <summary>Writes records of one kind as JSONL, compressed where the name ends in .gz; the file appears when it is complete.</summary>
    public static void Write(string path, RecordKind kind, IEnumerable<DataRecord> records)
    {
        switch (kind)
        {
            case RecordKind.Text: JsonlWriter.WriteText(path, records.Cast<TextRecord>().Select(record => record.Text)); break;
            case RecordKind.Demonstrations: JsonlWriter.WriteDemonstrations(path, records.Cast<Demonstration>()); break;
            case RecordKind.Rankings: JsonlWriter.WriteRankings(path, records.Cast<Ranking>()); break;
            case RecordKind.Unpaired: JsonlWriter.WriteUnpaired(path, records.Cast<Unpaired>()); break;
            default: JsonlWriter.WritePrompts(path, records.Cast<PromptRecord>()); break;
        }
    }
}

/// <summary>The texts in a record.</summary>
internal static class RecordTexts
{
    /// <summary>Every text of the record: the turns in order, then the completions.</summary>
    public static IEnumerable<string> Of(DataRecord record) => record switch
    {
        TextRecord text => [text.Text],
        Demonstration demonstration => demonstration.Messages.Select(message => message.Content),
        Ranking ranking => [.. ranking.Prompt.Select(message => message.Content), .. ranking.Completions],
        Unpaired unpaired => [.. unpaired.Prompt.Select(message => message.Content), unpaired.Completion],
        PromptRecord prompt => prompt.Messages.Select(message => message.Content),
        _ => throw new ArgumentException($"No record of a data file: {record.GetType()}.", nameof(record)),
    };

    /// <summary>A text that two records share exactly when they say the same in the same roles and with the same verdict.</summary>
    public static string Identity(DataRecord record) => record switch
    {
        TextRecord text => text.Text,
        Demonstration demonstration => Turns(demonstration.Messages),
        Ranking ranking => $"{Turns(ranking.Prompt)}\0{string.Join('\0', ranking.Completions.Zip(ranking.Ranks, (completion, rank) => $"{rank}\u0001{completion}"))}",
        Unpaired unpaired => $"{Turns(unpaired.Prompt)}\0{unpaired.Desirable}\0{unpaired.Completion}",
        PromptRecord prompt => Turns(prompt.Messages),
        _ => throw new ArgumentException($"No record of a data file: {record.GetType()}.", nameof(record)),
    };

    /// <summary>What has to be alike for two records to be nearly the same: what is asked, and each answer in the order of their ranks.</summary>
    public static IReadOnlyList<string> Parts(DataRecord record) => record switch
    {
        TextRecord text => [text.Text],
        Demonstration demonstration => [Joined(demonstration.Messages.SkipLast(1)), demonstration.Messages[^1].Content],
        Ranking ranking => [Joined(ranking.Prompt), .. ranking.Completions.Zip(ranking.Ranks).OrderBy(ranked => ranked.Second).Select(ranked => ranked.First)],
        Unpaired unpaired => [Joined(unpaired.Prompt), unpaired.Completion, unpaired.Desirable ? "liked" : "disliked"],
        _ => [Joined(((PromptRecord)record).Messages)],
    };

    private static string Joined(IEnumerable<Message> messages) => string.Join('\n', messages.Select(message => message.Content));

    private static string Turns(IEnumerable<Message> messages) => string.Join('\0', messages.Select(message => $"{message.Role}\u0001{message.Content}"));
}
