using Gpt35.Data.TinyWorld;

namespace Gpt35.Data;

/// <summary>Order and choice among records that are read once and never all held.</summary>
internal static class ShuffleBuffer
{
    /// <summary>
    /// The items in random order, holding <paramref name="size"/> of them: each comes out at most that much earlier than it went in, and later by that much on average.
    /// Fewer items than that are shuffled evenly.
    /// </summary>
    public static IEnumerable<T> Shuffle<T>(IEnumerable<T> items, int size, SeededRandom random)
    {
        var held = new List<T>();
        foreach (var item in items)
        {
            if (held.Count < size)
            {
                held.Add(item);
                continue;
            }
            if (size == 0)
            {
                yield return item;
                continue;
            }
            var i = random.Below(size);
            yield return held[i];
            held[i] = item;
        }
        for (var left = held.Count; left > 0; left--)
        {
            var i = random.Below(left);
            yield return held[i];
            held[i] = held[left - 1];
        }
    }

    /// <summary>Exactly <paramref name="wanted"/> of <paramref name="count"/> items in their order, every subset equally likely (Knuth, TAOCP 3.4.2, algorithm S).</summary>
    public static IEnumerable<T> Sample<T>(IEnumerable<T> items, long wanted, long count, SeededRandom random)
    {
        foreach (var item in items)
        {
            if (wanted == 0) yield break;
            if (random.NextDouble() * count-- >= wanted) continue;
            wanted--;
            yield return item;
        }
    }
}
