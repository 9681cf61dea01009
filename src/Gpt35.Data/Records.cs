namespace Gpt35.Data;

/// <summary>A prompt: the conversation up to and including the turn to be answered.</summary>
public sealed record PromptRecord(IReadOnlyList<Message> Messages) : DataRecord;

/// <summary>A conversation whose assistant turns are to be imitated.</summary>
public sealed record Demonstration(IReadOnlyList<Message> Messages) : DataRecord;

/// <summary>K completions of one prompt with their ranks; 1 is best, equal ranks are ties. A preference pair is K = 2.</summary>
public sealed record Ranking(IReadOnlyList<Message> Prompt, IReadOnlyList<string> Completions, IReadOnlyList<int> Ranks) : DataRecord;

/// <summary>A prompt and one answer to it, as a model or a person gave it.</summary>
public sealed record CompletionRecord(IReadOnlyList<Message> Prompt, string Completion);

/// <summary>A prompt and one completion that was liked (thumbs up) or not (thumbs down), as KTO learns from them (Ethayarajh et al. 2024).</summary>
public sealed record Unpaired(IReadOnlyList<Message> Prompt, string Completion, bool Desirable) : DataRecord;
