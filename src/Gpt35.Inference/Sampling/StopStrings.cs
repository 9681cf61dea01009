using System.Text;

namespace Gpt35.Inference;

/// <summary>
/// Finds the first of several texts in a stream of bytes (Aho and Corasick 1975). The first to be complete counts, and of those that become complete
/// together the longest. Immutable; the place in a stream is a number that the reader keeps.
/// </summary>
internal sealed class StopStrings
{
    /// <summary>The place before the first byte.</summary>
    public const int Start = 0;

    private readonly List<Dictionary<byte, int>> children = [[]];
    private readonly List<int> depths = [0];
    private readonly List<int> fallbacks = [Start];     // the longest proper ending that is a beginning too
    private readonly List<int> matches = [0];           // length of the longest text that is complete here; 0 for none

    public StopStrings(IReadOnlyList<string> texts)
    {
        foreach (var text in texts)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            var place = Start;
            foreach (var value in bytes) place = Child(place, value);
            matches[place] = bytes.Length;
        }
        Link();
    }

    /// <summary>How many of the last bytes may yet become a stop text; no fewer could be held back, and no more need be.</summary>
    public int Held(int place) => depths[place];

    /// <summary>Length of the text that is complete at a place, or 0.</summary>
    public int Match(int place) => matches[place];

    public int Next(int place, byte value)
    {
        int next;
        while (!children[place].TryGetValue(value, out next) && place != Start) place = fallbacks[place];
        return next;
    }

    private int Child(int place, byte value)
    {
        if (children[place].TryGetValue(value, out var child)) return child;
        child = children.Count;
        children[place][value] = child;
        children.Add([]);
        depths.Add(depths[place] + 1);
        fallbacks.Add(Start);
        matches.Add(0);
        return child;
    }

    /// <summary>By rising depth, so that the fallback of a fallback is known.</summary>
    private void Link()
    {
        var queue = new Queue<int>([Start]);
        while (queue.TryDequeue(out var place))
            foreach (var (value, child) in children[place])
            {
                if (place != Start) fallbacks[child] = Next(fallbacks[place], value);
                if (matches[child] == 0) matches[child] = matches[fallbacks[child]];
                queue.Enqueue(child);
            }
    }
}
