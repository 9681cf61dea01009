using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Gpt35.Model;

namespace Gpt35.Inference.Scheduling;

/// <summary>What two requests must have in common before one may see that the other was there: their tenant and their adapter.</summary>
internal static class PrefixSalt
{
    private static readonly ConditionalWeakTable<LoraAdapter, object> Numbers = [];
    private static long lastNumber;

    public static UInt128 Of(GenerationRequest request)
    {
        var number = request.Adapter is null ? 0 : (long)Numbers.GetValue(request.Adapter, _ => Interlocked.Increment(ref lastNumber));
        if (number == 0 && request.Tenant.Length == 0) return 0;
        // A cryptographic hash: names come from outside, and nobody may find another one with the same salt.
        // Of the UTF-16 itself: in UTF-8 all lone surrogates are the same. With the adapter's version: what it was before a training step is another one.
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes($"{number} {request.Adapter?.Parameters.Version} {request.Tenant}".AsSpan()), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
