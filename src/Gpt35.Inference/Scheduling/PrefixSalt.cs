using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
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
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{number} {request.Tenant}"));
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
