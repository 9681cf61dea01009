using System.Numerics;
using System.Runtime.InteropServices;
using Gpt35.Data.TinyWorld;

namespace Gpt35.Data;

/// <summary>
/// MinHash (Broder 1997): the smallest value of a random function over a set. Two sets agree in one with the probability of their Jaccard index. The functions are
/// h(x) = a·x + b mod 2⁶⁴ with odd a, compared by their whole value, on shingles that are well-mixed hashes already.
/// </summary>
internal sealed class MinHash
{
    private const ulong PartOffset = 0xD6E8FEB86659FD93;

    private readonly ulong[] multipliers, offsets;

    /// <param name="functions">Number of functions P.</param>
    /// <param name="seed">Fixes them.</param>
    public MinHash(int functions, ulong seed)
    {
        var random = new SeededRandom(seed).Fork("minhash");
        multipliers = [.. Enumerable.Range(0, functions).Select(_ => random.NextUInt64() | 1)];
        offsets = [.. Enumerable.Range(0, functions).Select(_ => random.NextUInt64())];
    }

    internal MinHash(ulong[] multipliers, ulong[] offsets) => (this.multipliers, this.offsets) = (multipliers, offsets);

    /// <summary>The smallest value of each function over a set, (P,).</summary>
    public ulong[] Signature(ReadOnlySpan<ulong> shingles)
    {
        var signature = new ulong[multipliers.Length];
        Array.Fill(signature, ulong.MaxValue);
        Add(shingles, 0, signature);
        return signature;
    }

    /// <summary>Of several sets together, each kept apart from the others: what two have in common counts only where it is the same set, (P,).</summary>
    public ulong[] Signature(IReadOnlyList<ulong[]> sets)
    {
        var signature = new ulong[multipliers.Length];
        Array.Fill(signature, ulong.MaxValue);
        for (var i = 0; i < sets.Count; i++) Add(sets[i], (ulong)i * PartOffset, signature);
        return signature;
    }

    private void Add(ReadOnlySpan<ulong> shingles, ulong offset, ulong[] signature)
    {
        var vectors = MemoryMarshal.Cast<ulong, Vector<ulong>>(signature.AsSpan());
        var a = MemoryMarshal.Cast<ulong, Vector<ulong>>(multipliers);
        var b = MemoryMarshal.Cast<ulong, Vector<ulong>>(offsets);
        foreach (var plain in shingles)
        {
            var shingle = plain + offset;
            var x = new Vector<ulong>(shingle);
            for (var i = 0; i < vectors.Length; i++) vectors[i] = Vector.Min(vectors[i], a[i] * x + b[i]);
            for (var i = vectors.Length * Vector<ulong>.Count; i < signature.Length; i++) signature[i] = Math.Min(signature[i], multipliers[i] * shingle + offsets[i]);
        }
    }
}

/// <summary>
/// Locality-sensitive hashing (Indyk and Motwani 1998; Leskovec, Rajaraman and Ullman, chapter 3): a signature is cut into bands, and two texts are compared where all rows of at least one band agree.
/// </summary>
/// <param name="Bands">b.</param>
/// <param name="Rows">r: values of a band; b·r functions are needed.</param>
public readonly record struct LshBands(int Bands, int Rows)
{
    /// <summary>Probability that two texts of this Jaccard index s are compared: 1 − (1 − sʳ)ᵇ.</summary>
    public double ProbabilityAt(double jaccard) => 1 - Math.Pow(1 - Math.Pow(jaccard, Rows), Bands);

    /// <summary>The most selective bands of at most <paramref name="functions"/> values that find a pair just at the threshold with at least the given probability.</summary>
    public static LshBands For(double threshold, int functions, double recall)
    {
        for (var rows = functions; rows > 1; rows--)
        {
            var bands = new LshBands(functions / rows, rows);
            if (bands.ProbabilityAt(threshold) >= recall) return bands;
        }
        return new LshBands(functions, 1);
    }

    /// <summary>One key per band of a signature; equal where the band agrees.</summary>
    internal IEnumerable<ulong> Keys(ulong[] signature)
    {
        for (var band = 0; band < Bands; band++)
            yield return NormalizedWords.Hash(MemoryMarshal.Cast<ulong, char>(signature.AsSpan(band * Rows, Rows))) ^ ((ulong)(band + 1) * 0x9E3779B97F4A7C15);
    }
}
