namespace Gpt35.Kernels;

/// <summary>
/// Random numbers that are a function of (key, counter): no state, any order, the same on every machine.
/// Both words go through the SplitMix64 finaliser (Steele et al. 2014, Stafford's variant 13), the counter spread by the golden-ratio increment.
/// </summary>
public static class CounterRandom
{
    private const ulong GoldenRatio = 0x9E3779B97F4A7C15;

    /// <summary>64 well-mixed bits; also the way to derive a key from another.</summary>
    public static ulong Hash(ulong key, ulong counter) => Mix(Mix(key + GoldenRatio) + (counter + 1) * GoldenRatio);

    /// <summary>In [0, 1), 24 bits.</summary>
    public static float Uniform(ulong key, ulong counter) => (Hash(key, counter) >> 40) * (1f / (1 << 24));

    /// <summary>From N(0, 1) (Box and Muller 1958); largest magnitude 6.7.</summary>
    public static float Normal(ulong key, ulong counter)
    {
        var bits = Hash(key, counter);
        var radius = ((bits >> 32) + 1) * (1.0 / (1L << 32));
        var angle = (uint)bits * (1.0 / (1L << 32));
        return (float)(Math.Sqrt(-2 * Math.Log(radius)) * Math.Cos(2 * Math.PI * angle));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
