namespace Gpt35.Inference.Constraints;

/// <summary>
/// Token masks of an <see cref="Automaton"/>. Most tokens stay within the rule at the top of the stack (a string takes half the vocabulary), so what a frame
/// allows by itself is found once, and only what reaches beyond its rule is looked up per stack.
/// </summary>
internal sealed class MaskBuilder(Automaton automaton, TokenTrie trie)
{
    /// <summary>Masks kept before all are forgotten: 64 MB.</summary>
    private const long MostBytes = 64L << 20;

    private readonly Configuration[] path = new Configuration[trie.MaxDepth + 1];   // by depth in the trie
    private long keptBytes;

    /// <summary>The tokens that may come next.</summary>
    public ulong[] Of(Configuration configuration)
    {
        if (configuration.Mask is { } known) return known;
        if (keptBytes > MostBytes)
        {
            automaton.Trim(now: true);
            keptBytes = 0;
        }
        var mask = New();
        foreach (var stack in configuration.Stacks)
        {
            var local = Local(stack.Frame, stack.Depth);
            for (var word = 0; word < mask.Length; word++) mask[word] |= local.Tokens[word];
            if (local.Leaving.Length == 0 || stack.Parent.IsBottom) continue;
            var after = automaton.After(stack.Parent);
            foreach (var node in local.Leaving) Walk(node + 1, trie.Ends[node], trie.Depths[node], after, mask, null);
        }
        return configuration.Mask = mask;
    }

    /// <summary>The tokens after which the document can still be completed with at most <paramref name="bytes"/> more bytes.</summary>
    public ulong[] Closing(Configuration configuration, int bytes)
    {
        var mask = TokenMask.New(trie.VocabSize);
        Walk(0, trie.Bytes.Length, 0, configuration, mask, null, bytes);
        return mask;
    }

    private ulong[] New()
    {
        keptBytes += (trie.VocabSize + 7) / 8;
        return TokenMask.New(trie.VocabSize);
    }

    private LocalMask Local(Frame frame, int depth)
    {
        if (frame.Masks.TryGetValue(depth, out var local)) return local;
        var leaving = new List<int>();
        var mask = New();
        Walk(0, trie.Bytes.Length, 0, automaton.Alone(frame, depth), mask, leaving);
        return frame.Masks[depth] = new LocalMask(mask, [.. leaving]);
    }

    /// <summary>Adds the tokens of the nodes from <paramref name="node"/> to <paramref name="end"/> that the automaton can read.</summary>
    /// <param name="node">First node.</param>
    /// <param name="end">The node after the last.</param>
    /// <param name="depth">How many bytes of the trie have been read.</param>
    /// <param name="start">The configuration after those.</param>
    /// <param name="mask">Receives the tokens.</param>
    /// <param name="ends">Receives the nodes at which the document may end, where wanted.</param>
    /// <param name="mostToClose">Bytes that may still be needed after a token.</param>
    private void Walk(int node, int end, int depth, Configuration start, ulong[] mask, List<int>? ends, int mostToClose = int.MaxValue)
    {
        var (bytes, depths, skips, starts, classes) = (trie.Bytes, trie.Depths, trie.Ends, trie.TokenStarts, automaton.ClassOfByte);
        path[depth] = start;
        while (node < end)
        {
            var place = depths[node];
            var next = automaton.Step(path[place - 1], classes[bytes[node]]);
            if (next == Configuration.Dead)
            {
                node = skips[node];
                continue;
            }
            path[place] = next;
            if (next.ClosingCost <= mostToClose)
                for (var i = starts[node]; i < starts[node + 1]; i++) TokenMask.Add(mask, trie.Ids[i]);
            if (next.MayEnd) ends?.Add(node);
            node++;
        }
    }
}
