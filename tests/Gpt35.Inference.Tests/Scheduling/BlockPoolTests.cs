using Gpt35.Inference.Scheduling;
using Gpt35.Model;

namespace Gpt35.Inference.Tests.Scheduling;

public class BlockPoolTests
{
    private const int Size = KvCache.BlockTokens;

    private static int[] Text(params int[] blocks) => [.. blocks.SelectMany(block => Enumerable.Repeat(block, Size))];

    /// <summary>Fills blocks with a text and lets them go, as a sequence does.</summary>
    private static int[] Write(BlockPool pool, UInt128 salt, int[] text)
    {
        var chain = PrefixIndex.Start(salt);
        int[] blocks = [.. Enumerable.Range(0, text.Length / Size).Select(_ => pool.Take())];
        for (var i = 0; i < blocks.Length; i++) pool.Remember(ref chain, text.AsSpan(i * Size, Size), blocks[i]);
        for (var i = blocks.Length - 1; i >= 0; i--) pool.Release(blocks[i]);
        return blocks;
    }

    private static int[] Find(BlockPool pool, UInt128 salt, int[] text)
    {
        var chain = PrefixIndex.Start(salt);
        var sequence = new KvSequence(text.Length + Size);
        pool.ShareKnown(ref chain, text, sequence);
        int[] blocks = [.. sequence.Blocks];
        while (sequence.BlockCount > 0) pool.Release(sequence.RemoveLast());
        return blocks;
    }

    [Fact]
    public void The_longest_known_beginning_is_found_in_whole_blocks_and_under_its_salt_only()
    {
        var pool = new BlockPool(20, remember: true);
        var blocks = Write(pool, 7, Text(1, 2, 3));
        Assert.Equal(blocks, Find(pool, 7, Text(1, 2, 3)));
        Assert.Equal(blocks, Find(pool, 7, [.. Text(1, 2, 3, 4), 9]));
        Assert.Equal(blocks[..2], Find(pool, 7, Text(1, 2, 4)));
        Assert.Equal(blocks[..1], Find(pool, 7, Text(1, 3)));                 // the third block's content, but not behind the same
        Assert.Empty(Find(pool, 7, Text(2, 3)));
        Assert.Empty(Find(pool, 8, Text(1, 2, 3)));
        Assert.Empty(Find(pool, 7, Text(1)[1..]));
        pool.ForgetAll();
        Assert.Empty(Find(pool, 7, Text(1, 2, 3)));
        Assert.Equal((20, 0), (pool.Available, pool.Remembered));
    }

    [Fact]
    public void What_was_let_go_first_is_forgotten_first_and_of_a_text_its_end()
    {
        var pool = new BlockPool(6, remember: true);
        Write(pool, 0, Text(1, 2, 3));
        Write(pool, 0, Text(4, 5, 6));
        Assert.Equal(3, Find(pool, 0, Text(1, 2, 3)).Length);                   // so 4, 5, 6 are the older ones now
        Assert.Equal((6, 6), (pool.Available, pool.Remembered));
        int[] taken = [pool.Take(), pool.Take()];
        Assert.Single(Find(pool, 0, Text(4, 5, 6)));
        Assert.Equal(3, Find(pool, 0, Text(1, 2, 3)).Length);
        Assert.DoesNotContain(-1, taken);
        for (var i = 0; i < 4; i++) Assert.True(pool.Take() >= 0);
        Assert.Equal(-1, pool.Take());
    }

    [Fact]
    public void A_block_that_is_held_is_never_given_away_and_one_that_was_forgotten_not_found()
    {
        // Against a plain model: who holds what is known here, and a found block must hold what it is found for.
        var random = new Random(3);
        var pool = new BlockPool(12, remember: true);
        var contents = new Dictionary<int, (string Before, int Content)>();
        var held = new List<List<int>>();
        for (var i = 0; i < 20_000; i++)
        {
            if (held.Count > 0 && random.Next(5) < 2)
            {
                var one = held[random.Next(held.Count)];
                held.Remove(one);
                for (var j = one.Count - 1; j >= 0; j--) pool.Release(one[j]);
                continue;
            }
            int[] text = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(3))];
            var chain = PrefixIndex.Start(0);
            var sequence = new KvSequence(5 * Size);
            pool.ShareKnown(ref chain, Text(text), sequence);
            for (var j = 0; j < sequence.BlockCount; j++) Assert.Equal((string.Join(' ', text[..j]), text[j]), contents[sequence.Blocks[j]]);
            while (sequence.BlockCount < text.Length)
            {
                var block = pool.Take();
                if (block < 0) break;
                Assert.DoesNotContain(block, held.SelectMany(one => one).Concat(sequence.Blocks.ToArray()));
                var place = sequence.BlockCount;
                contents[block] = (string.Join(' ', text[..place]), text[place]);
                sequence.Append(block);
                pool.Remember(ref chain, Text(text[place]), block);
            }
            held.Add([.. sequence.Blocks]);
            Assert.Equal(12 - held.SelectMany(one => one).Distinct().Count(), pool.Available);
        }
    }

    [Fact]
    public void Two_texts_with_one_hash_are_not_taken_for_each_other()
    {
        var index = new PrefixIndex(4);
        var start = PrefixIndex.Start(0);
        var chain = start;
        index.Add(ref chain, Text(1), 0);
        // The hash of the place behind block 0, but another content before it.
        var forged = chain with { Id = chain.Id + 1 };
        var next = chain;
        index.Add(ref next, Text(2), 1);
        Assert.Equal(1, index.Find(chain, Text(2), out _));
        Assert.Equal(-1, index.Find(forged, Text(2), out _));
    }
}
