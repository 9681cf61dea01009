using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gpt35.Kernels;

/// <summary>How wide the kernels compute.</summary>
public enum SimdTier
{
    /// <summary>Vector128 with fused multiply-add, in hardware or not: runs everywhere.</summary>
    Portable,
    /// <summary>AVX2 and FMA.</summary>
    Vector256,
    /// <summary>AVX-512F.</summary>
    Vector512,
}

/// <summary>A job whose part is written once for all tiers, over the lanes W of vector type V.</summary>
internal interface ITieredJob
{
    void Run<W, V>(int part) where W : struct, ILanes<V> where V : unmanaged;
}

/// <summary>Chooses the tier once per call.</summary>
public static class Simd
{
    [ThreadStatic] private static SimdTier? forced;

    /// <summary>The widest tier of this processor.</summary>
    public static SimdTier Best { get; } =
        Vector512.IsHardwareAccelerated && Avx512F.IsSupported ? SimdTier.Vector512
        : Avx2.IsSupported && Fma.IsSupported ? SimdTier.Vector256
        : SimdTier.Portable;

    /// <summary>The tier that kernels called from this thread use. Tests set it; null means <see cref="Best"/>.</summary>
    internal static SimdTier? Forced { set => forced = value; }

    internal static SimdTier Tier => forced ?? Best;
    /// <summary>Whether a test has chosen the tier; then our machine code stands aside, too.</summary>
    internal static bool IsForced => forced is not null;

    /// <summary>Runs the job on the pool in the tier of the calling thread.</summary>
    internal static void Run<TJob>(WorkerPool pool, int parts, in TJob job) where TJob : struct, ITieredJob
    {
        switch (Tier)
        {
            case SimdTier.Vector512: pool.Run(parts, new InLanes<TJob, Lanes512, Vector512<float>>(job)); break;
            case SimdTier.Vector256: pool.Run(parts, new InLanes<TJob, Lanes256, Vector256<float>>(job)); break;
            default: pool.Run(parts, new InLanes<TJob, Lanes128, Vector128<float>>(job)); break;
        }
    }

    /// <summary>Pieces of <paramref name="size"/> that cover <paramref name="length"/>.</summary>
    internal static int Pieces(long length, int size) => checked((int)((length + size - 1) / size));

    private readonly struct InLanes<TJob, W, V>(TJob job) : IParallelJob
        where TJob : struct, ITieredJob where W : struct, ILanes<V> where V : unmanaged
    {
        private readonly TJob job = job;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int part) => job.Run<W, V>(part);
    }
}
