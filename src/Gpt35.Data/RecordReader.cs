namespace Gpt35.Data;

/// <summary>
/// Reads training data, choosing the shape by the columns of each row; columns it does not know are ignored. JSONL, JSON arrays, CSV, TSV, plain
/// text (.txt), each also compressed with gzip or Zstandard, and Parquet. Rows are read as they are asked for, so a file may be larger than memory.
/// Every failure is an <see cref="InvalidDataException"/> that names file and line (in Parquet, the row), what was found and what was expected.
/// Rows that are well-formed but teach nothing (an empty answer, two completions that are the same text) occur in every public
/// data set: they are left out, and <c>warn</c> receives one line per reason, with their number, when the file has been read.
/// </summary>
public static class RecordReader
{
    /// <summary>What separates documents in a .txt file, alone on a line.</summary>
    private const string DocumentSeparator = "<|endoftext|>";

    /// <summary>Documents: rows with "text" (or "content"); a .txt file is split at <c>&lt;|endoftext|&gt;</c> lines, else at blank lines where it has them, else by line.</summary>
    public static IEnumerable<string> ReadText(string path, Action<string>? warn = null)
    {
        DataFormats.Require(path);
        return DataFormats.IsPlainText(path) ? Documents(path) : Rows(path, RowShapes.Text, warn);
    }

    /// <summary>
    /// Rows with "messages" (or ShareGPT "conversations"), or a prompt ("prompt", "instruction" (+ "input"), "question") and its answer ("completion",
    /// "output", "response", "answer", "code"), or "instruction" + "instances", or "text" + "code". Rows whose last answer is empty are left out.
    /// </summary>
    public static IEnumerable<Demonstration> ReadDemonstrations(string path, Action<string>? warn = null)
    {
        RequireRows(path, "conversations as rows, for example {\"prompt\": …, \"completion\": …} per line");
        return Rows(path, RowShapes.Demonstration, warn);
    }

    /// <summary>
    /// Rows with "prompt" + "completions" + "ranks", or "chosen" + "rejected" (with "prompt", or as transcripts "\n\nHuman: … \n\nAssistant: …",
    /// or as message lists that begin with the prompt). Rows that prefer nothing, or whose two transcripts answer different prompts, are left out.
    /// </summary>
    public static IEnumerable<Ranking> ReadRankings(string path, Action<string>? warn = null)
    {
        RequireRows(path, "preferences as rows, for example {\"prompt\": …, \"chosen\": …, \"rejected\": …} per line");
        return Rows(path, RowShapes.Ranking, warn);
    }

    /// <summary>
    /// Rows with "prompt" (text or messages) or "messages" (trailing assistant turn dropped), or any row of the other kinds, whose answers are
    /// ignored, or "text"; a .txt file holds one prompt per line.
    /// </summary>
    public static IEnumerable<PromptRecord> ReadPrompts(string path, Action<string>? warn = null)
    {
        DataFormats.Require(path);
        return DataFormats.IsPlainText(path) ? PromptLines(path) : Rows(path, RowShapes.Prompt, warn);
    }

    /// <summary>
    /// Rows with a prompt, a completion and a "label": thumbs up (true, 1, "up", "good", "true") or down. Rows whose completion is empty are left out.
    /// </summary>
    public static IEnumerable<Unpaired> ReadUnpaired(string path, Action<string>? warn = null)
    {
        RequireRows(path, "rated completions as rows, for example {\"prompt\": …, \"completion\": …, \"label\": true} per line");
        return Rows(path, RowShapes.Unpaired, warn);
    }

    /// <summary>
    /// What the file is best used as, told by the columns of its first row; a .txt file is text. Rows may be good for more: every row of another kind
    /// also has a prompt.
    /// </summary>
    /// <exception cref="InvalidDataException">No known kind; the message names the columns found and what the nearest kind misses.</exception>
    public static RecordKind Recognize(string path)
    {
        DataFormats.Require(path);
        if (DataFormats.IsPlainText(path)) return RecordKind.Text;
        foreach (var row in RowSource.Read(path))
            return Shape.All.FirstOrDefault(shape => shape.Fits(row))?.Kind ?? throw Shape.Unknown(row, null);
        throw Empty(path, "at least one row");
    }

    private static void RequireRows(string path, string expected)
    {
        DataFormats.Require(path);
        if (DataFormats.IsPlainText(path))
            throw new InvalidDataException($"{path}: found a plain text file; expected {expected}. Convert it, or rename it if it holds such rows.");
    }

    private static IEnumerable<T> Rows<T>(string path, RowParser<T> parse, Action<string>? warn) where T : class
    {
        var skips = new List<(string Reason, int Count, string First)>();
        int rows = 0, kept = 0;
        foreach (var row in RowSource.Read(path).SelectMany(RowShapes.Instances))
        {
            rows++;
            if (parse(row, out var reason) is { } record)
            {
                kept++;
                yield return record is DataRecord made ? (T)(object)(made with { Origin = new Origin(row.Place) }) : record;
                continue;
            }
            var at = skips.FindIndex(skip => skip.Reason == reason);
            if (at < 0) skips.Add((reason, 1, $"{row.Unit} {row.Number}"));
            else skips[at] = skips[at] with { Count = skips[at].Count + 1 };
        }
        if (rows == 0) throw Empty(path, "at least one row");
        foreach (var (reason, count, first) in skips)
            warn?.Invoke($"{path}: left out {count} of {rows} rows: {reason} (first at {first}).");
        if (kept == 0)
            throw new InvalidDataException($"{path}: found {rows} rows and none of use: {skips[0].Reason} (first at {skips[0].First}).");
    }

    private static IEnumerable<string> Documents(string path)
    {
        var (separators, blanks) = Layout(path);
        if (!separators && !blanks) return NonBlankLines(path);
        return Split(path, separators ? line => line.Trim() == DocumentSeparator : string.IsNullOrWhiteSpace);
    }

    /// <summary>Whether the file has separator lines, and whether it has blank lines between lines of text.</summary>
    private static (bool Separators, bool Blanks) Layout(string path)
    {
        using var file = DataFile.Open(path);
        bool text = false, blank = false, blanksWithin = false;
        while (file.ReadLine() is { } line)
        {
            if (line.Trim() == DocumentSeparator) return (true, false);
            if (string.IsNullOrWhiteSpace(line)) blank = text;
            else
            {
                blanksWithin |= blank;
                text = true;
            }
        }
        return text ? (false, blanksWithin) : throw Empty(path, "text");
    }

    private static IEnumerable<string> Split(string path, Func<string, bool> separates)
    {
        using var file = DataFile.Open(path);
        var document = new List<string>();
        long length = 0, begin = 1;
        for (var at = file.NextLine; file.ReadLine() is { } line; at = file.NextLine)
        {
            if (separates(line))
            {
                if (Join(document) is { } text) yield return text;
                length = 0;
                continue;
            }
            if (document.Count == 0) begin = at;
            if ((length += line.Length + 1) > DataFile.RowLimit) throw file.TooLong(begin);
            document.Add(line);
        }
        if (Join(document) is { } last) yield return last;
    }

    /// <summary>The lines as one text without blank lines around it, or null when there is nothing but those; empties the list.</summary>
    private static string? Join(List<string> lines)
    {
        var text = string.Join('\n', lines).Trim('\n', '\r');
        lines.Clear();
        return string.IsNullOrWhiteSpace(text) ? null : text;
    }

    private static IEnumerable<PromptRecord> PromptLines(string path) =>
        NonBlankLines(path).Select(line => new PromptRecord([Message.User(line)]));

    private static IEnumerable<string> NonBlankLines(string path)
    {
        using var file = DataFile.Open(path);
        var found = false;
        while (file.ReadLine() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            found = true;
            yield return line;
        }
        if (!found) throw Empty(path, "text");
    }

    private static InvalidDataException Empty(string path, string expected) =>
        new($"{path}: the file is empty; expected {expected}. Check that it was written completely.");
}
