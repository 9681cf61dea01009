namespace Gpt35.Inference;

/// <summary>What an engine is doing, and has done since it was made.</summary>
public sealed record EngineStatus
{
    /// <summary>Requests that wait.</summary>
    public int Waiting { get; init; }
    /// <summary>Completions under way.</summary>
    public int Running { get; init; }
    /// <summary>Blocks of the cache, of <see cref="Model.KvCache.BlockTokens"/> tokens.</summary>
    public int Blocks { get; init; }
    /// <summary>Blocks that completions under way hold.</summary>
    public int BlocksInUse { get; init; }
    /// <summary>Blocks that nobody holds and whose beginnings are remembered.</summary>
    public int BlocksRemembered { get; init; }
    /// <summary>Steps taken.</summary>
    public long Steps { get; init; }
    /// <summary>Prompt tokens computed; with those computed again after a preemption.</summary>
    public long PromptTokens { get; init; }
    /// <summary>Prompt tokens found in the prefix cache.</summary>
    public long CachedTokens { get; init; }
    /// <summary>Tokens generated.</summary>
    public long GeneratedTokens { get; init; }
    /// <summary>Tokens guessed ahead.</summary>
    public long GuessedTokens { get; init; }
    /// <summary>Of these, those that were right.</summary>
    public long AcceptedTokens { get; init; }
    /// <summary>Tokens that the draft model computed, those of prompts among them.</summary>
    public long DraftTokens { get; init; }
    /// <summary>Blocks of the draft model's cache that completions under way hold.</summary>
    public int DraftBlocksInUse { get; init; }
    /// <summary>Completions that gave their memory to others and were computed again.</summary>
    public long Preemptions { get; init; }
    /// <summary>The kernel of the matrix products.</summary>
    public string Kernel { get; init; } = "";
}
