namespace Gpt35.Inference.Constraints;

/// <summary>A place within one rule: the set of states of the <see cref="Nfa"/> that the bytes so far may have led to (subset construction).</summary>
/// <param name="number">Unique among frames.</param>
/// <param name="states">Only those that read, call or end; skips are resolved.</param>
/// <param name="accepts">Whether the rule may end here.</param>
/// <param name="reads">Whether a byte may come here, apart from those that called rules read.</param>
/// <param name="calls">Rules that may begin here, and the states that each leads back to.</param>
/// <param name="classCount">Number of classes of bytes.</param>
internal sealed class Frame(int number, int[] states, bool accepts, bool reads, (Rule Rule, int[] Return)[] calls, int classCount)
{
    /// <summary>Stands for "nowhere" among the successors.</summary>
    public static readonly Frame Dead = new(-1, [], accepts: false, reads: false, [], 0);

    public int Number => number;
    public int[] States => states;
    public bool Accepts => accepts;
    public bool Reads => reads;
    public (Rule Rule, int[] Return)[] Calls => calls;

    /// <summary>Nothing comes here any more: the rule can only end.</summary>
    public bool OnlyEnds => accepts && !reads && calls.Length == 0;

    /// <summary>Successor by class of byte; null where it has not been asked for yet.</summary>
    public Frame?[] Next { get; } = new Frame?[classCount];

    /// <summary>Tokens that begin here, by how many objects and arrays may still be opened.</summary>
    public Dictionary<int, LocalMask> Masks { get; } = new(1);
}

/// <summary>What is known of the tokens at a frame without knowing what called its rule.</summary>
/// <param name="Tokens">Those that stay within the rule and what it calls, or end with it.</param>
/// <param name="Leaving">Nodes of the trie at whose byte the rule may end: what lies below them depends on the caller.</param>
internal sealed record LocalMask(ulong[] Tokens, int[] Leaving);
