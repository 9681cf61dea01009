using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Gpt35.Training;

/// <summary>SHA-256 of data as a stage reads them, tokens and ranks in their order: files of other names or other bytes that come to the same are the same data.</summary>
internal static class DataHash
{
    /// <param name="sequences">Numbers, sequence by sequence.</param>
    public static string Of(IEnumerable<int[]> sequences)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var sequence in sequences)
        {
            // Its length before it, or two sequences could be one cut elsewhere.
            var length = sequence.Length;
            hash.AppendData(MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in length)));
            hash.AppendData(MemoryMarshal.AsBytes<int>(sequence));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <param name="keys">A key of every document, where the documents themselves are too many to be read beforehand.</param>
    public static string Of(IEnumerable<ulong> keys) => Of(keys.Select(key => (int[])[(int)key, (int)(key >> 32)]));
}
