using System.Text;

namespace Gpt35.Data.TinyWorld;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood 2014): eight bytes of state, the same numbers on every machine and in every version of .NET.
/// <see cref="Fork(string)"/> gives independent streams, so that one generator's draws never shift another's.
/// </summary>
internal sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong NextUInt64() => Mix(_state += 0x9E3779B97F4A7C15UL);

    /// <summary>Uniform in [0, 1) with 53 bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [0, <paramref name="count"/>).</summary>
    public int Below(int count) => (int)Math.BigMul(NextUInt64(), (ulong)count, out _);

    /// <summary>Uniform in [<paramref name="low"/>, <paramref name="high"/>], both included.</summary>
    public int Between(int low, int high) => low + Below(high - low + 1);

    public bool Chance(double probability) => NextDouble() < probability;

    public T Pick<T>(IReadOnlyList<T> options) => options[Below(options.Count)];

    public string Pick(params ReadOnlySpan<string> options) => options[Below(options.Length)];

    /// <summary>The options in random order.</summary>
    public T[] Shuffled<T>(IEnumerable<T> options)
    {
        var result = options.ToArray();
        for (var i = result.Length - 1; i > 0; i--)
        {
            var j = Below(i + 1);
            (result[i], result[j]) = (result[j], result[i]);
        }
        return result;
    }

    /// <summary><paramref name="count"/> different options in random order.</summary>
    public T[] Sample<T>(IReadOnlyList<T> options, int count)
    {
        var indices = new int[count];
        for (var i = 0; i < count; i++)
        {
            int candidate;
            do candidate = Below(options.Count);
            while (indices.AsSpan(0, i).Contains(candidate));
            indices[i] = candidate;
        }
        return Array.ConvertAll(indices, i => options[i]);
    }

    /// <summary>Standard normal (Box and Muller 1958).</summary>
    public double Gaussian() => Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());

    public SeededRandom Fork(string label) => new(Hash(label, _state));

    /// <summary>64-bit hash of a text (FNV-1a over UTF-8, then mixed), independent of process and platform.</summary>
    public static ulong Hash(string text, ulong seed = 0)
    {
        var hash = 0xCBF29CE484222325UL ^ Mix(seed);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
            foreach (var b in utf8[..rune.EncodeToUtf8(utf8)])
                hash = (hash ^ b) * 0x100000001B3UL;
        return Mix(hash);
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
