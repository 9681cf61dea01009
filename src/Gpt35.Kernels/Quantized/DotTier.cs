using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>Instructions that products with reduced weights use.</summary>
public enum DotTier
{
    /// <summary>128 bits, any processor.</summary>
    Portable,
    /// <summary>AVX2 and FMA, 256 bits.</summary>
    Avx2,
    /// <summary>AVX-VNNI, 256 bits; of use to whole numbers only.</summary>
    AvxVnni,
    /// <summary>AVX-512F and BW, 512 bits.</summary>
    Avx512,
    /// <summary>AVX512-VNNI, 512 bits, in machine code of our own; of use to whole numbers only.</summary>
    Avx512Vnni,
}

/// <summary>Chooses the instructions.</summary>
public static class DotTiers
{
    /// <summary>Whether this processor, and the runtime as it is configured, has them for that precision.</summary>
    public static bool Has(DotTier tier, WeightPrecision precision) => tier switch
    {
        DotTier.Avx512Vnni => precision is WeightPrecision.Int8 or WeightPrecision.Int4 && Avx512BW.IsSupported && VnniKernels.Available,
        DotTier.Avx512 => Simd.Best == SimdTier.Vector512 && Avx512BW.IsSupported,
        DotTier.AvxVnni => precision is WeightPrecision.Int8 or WeightPrecision.Int4 && Simd.Best >= SimdTier.Vector256 && AvxVnni.IsSupported,
        DotTier.Avx2 => Simd.Best >= SimdTier.Vector256,
        _ => true,
    };

    /// <summary>The fastest: VNNI's one instruction a product before the width of AVX-512 without it, which needs four.</summary>
    public static DotTier Best(WeightPrecision precision) =>
        Has(DotTier.Avx512Vnni, precision) ? DotTier.Avx512Vnni
        : Has(DotTier.AvxVnni, precision) ? DotTier.AvxVnni
        : Has(DotTier.Avx512, precision) ? DotTier.Avx512
        : Has(DotTier.Avx2, precision) ? DotTier.Avx2
        : DotTier.Portable;

    /// <summary>Name of the kernel that multiplies with weights of that precision on this machine, for people.</summary>
    public static string KernelName(WeightPrecision precision) => precision == WeightPrecision.F32
        ? Simd.Best switch { SimdTier.Vector512 => "f32 FMA, AVX-512", SimdTier.Vector256 => "f32 FMA, AVX2", _ => "f32 FMA, portable 128 bits" }
        : KernelName(precision, Best(precision));

    internal static string KernelName(WeightPrecision precision, DotTier tier)
    {
        var (work, blocks) = precision switch
        {
            WeightPrecision.BF16 => ("bf16 widened to f32 FMA", ""),
            WeightPrecision.Int8 => ("int8 dot products", " of blocks of 32 (Q8_0)"),
            _ => ("int4 dot products", " of blocks of 32 (Q4_0)"),
        };
        var instructions = tier switch
        {
            DotTier.Avx512Vnni => "AVX512-VNNI",
            DotTier.Avx512 => "AVX-512BW",
            DotTier.AvxVnni => "AVX-VNNI 256",
            DotTier.Avx2 => "AVX2",
            _ => "portable 128 bits",
        };
        return $"{work}{blocks}, {instructions}";
    }
}
