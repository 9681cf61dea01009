namespace Gpt35.Data;

/// <summary>A prompt: the conversation up to and including the turn to be answered.</summary>
public sealed record PromptRecord(IReadOnlyList<Message> Messages);

/// <summary>A conversation whose assistant turns are to be imitated.</summary>
public sealed record Demonstration(IReadOnlyList<Message> Messages);

/// <summary>K completions of one prompt with their ranks; 1 is best, equal ranks are ties. A preference pair is K = 2.</summary>
public sealed record Ranking(IReadOnlyList<Message> Prompt, IReadOnlyList<string> Completions, IReadOnlyList<int> Ranks);

/// <summary>
/// Reads training data, choosing the shape by the columns of each row. JSONL, JSON arrays, plain text; each also gzip-compressed.
/// Every failure is an <see cref="InvalidDataException"/> that names file and line, what was found and what was expected.
/// </summary>
public static class RecordReader
{
    /// <summary>Documents: rows with "text" (or "content"); a .txt file is split at <c>&lt;|endoftext|&gt;</c> lines, else at blank lines where it has them, else by line.</summary>
    public static IEnumerable<string> ReadText(string path) => throw new NotImplementedException();
    /// <summary>Rows with "messages", or "prompt" + "completion", or "instruction" (+ "input") + "output" / "response".</summary>
    public static IEnumerable<Demonstration> ReadDemonstrations(string path) => throw new NotImplementedException();
    /// <summary>Rows with "prompt" + "completions" + "ranks", or "chosen" + "rejected" (with "prompt", or as transcripts "\n\nHuman: … \n\nAssistant: …").</summary>
    public static IEnumerable<Ranking> ReadRankings(string path) => throw new NotImplementedException();
    /// <summary>Rows with "prompt" (text or messages) or "messages" (trailing assistant turn dropped).</summary>
    public static IEnumerable<PromptRecord> ReadPrompts(string path) => throw new NotImplementedException();
}
