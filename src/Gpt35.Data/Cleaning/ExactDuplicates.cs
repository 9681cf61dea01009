using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Gpt35.Data;

/// <summary>Texts seen so far, each as the first 16 bytes of its SHA-256: about 40 bytes of memory per different text, whatever its length.</summary>
public sealed class ExactDuplicates
{
    private readonly Dictionary<UInt128, int> seen = [];
    private int count;

    /// <summary>Adds a text and tells the number, from 0, of the first one that was the same; null for a new one.</summary>
    public int? Add(string text)
    {
        var key = BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData(Encoding.Unicode.GetBytes(text)));
        var index = count++;
        return seen.TryAdd(key, index) ? null : seen[key];
    }
}
