using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gpt35.Kernels;

/// <summary>
/// Inputs quantised for a product with block weights, as llama.cpp quantises them (Q8_0; the scale stays F32): of each 32 numbers
/// d = max|x| / 127 and q = x·(127 / max|x|), rounded to nearest, ties to even. A number that is not finite makes d NaN.
/// </summary>
/// <remarks>
/// Of a tile of c inputs, for each block: d (c floats), Σq (c ints), then the q of step after step, c inputs side by side.
/// </remarks>
internal static unsafe class BlockInputs<W, V, D> where W : struct, ILanes<V> where V : unmanaged where D : struct, IDotLanes<V>
{
    /// <summary>Below this the scale is not a normal number's, and the block counts as zeros.</summary>
    private const float Smallest = 1e-30f;
    /// <summary>1.5·2^23: adding it rounds to a whole number, which then sits in the low bits.</summary>
    private const float Shifter = 12582912f;

    /// <summary>Bytes of a block of a tile of that width.</summary>
    internal static int BlockBytes(int width) => width * (8 + BlockShape.Steps * D.StepBytes);

    /// <summary>Quantises one row of numbers into its place in a tile.</summary>
    /// <param name="x">(blocks·32,), or null for zeros.</param>
    /// <param name="blocks">Blocks.</param>
    /// <param name="zeroPoint">What is added to each q, but not to the sum.</param>
    /// <param name="tile">The tile.</param>
    /// <param name="width">Its width.</param>
    /// <param name="place">Which of its inputs.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Quantize(float* x, int blocks, int zeroPoint, byte* tile, int width, int place)
    {
        var whole = stackalloc int[BlockShape.Size];
        new Span<int>(whole, BlockShape.Size).Clear();
        for (var block = 0; block < blocks; block++, tile += BlockBytes(width))
        {
            ((float*)tile)[place] = x == null ? 0 : Round(x + block * BlockShape.Size, whole);
            var steps = tile + 8 * width + place * sizeof(int);
            ((int*)tile)[width + place] = typeof(D) == typeof(Dots512Vnni) ? Dots512Vnni.StoreBlock(whole, zeroPoint, steps, width) : StoreBlock(whole, zeroPoint, steps, width);
        }
    }

    /// <summary>Keeps the whole numbers of a block.</summary>
    /// <returns>Their sum.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int StoreBlock(int* whole, int zeroPoint, byte* step, int width)
    {
        var sums = Vector128<int>.Zero;
        for (var i = 0; i < BlockShape.Size; i += BlockShape.Step, step += width * D.StepBytes)
        {
            var four = Vector128.Load(whole + i);
            sums += four;
            D.StoreStep(four + Vector128.Create(zeroPoint), step, width);
        }
        return Vector128.Sum(sums);
    }

    /// <summary>Writes the whole numbers and returns the scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Round(float* x, int* whole)
    {
        V zero = W.Create(0), largest = zero, notFinite = zero;
        for (var i = 0; i < BlockShape.Size; i += W.Count)
        {
            var v = W.Load(x + i);
            largest = W.Max(W.Max(v, W.Subtract(zero, v)), largest);
            notFinite = W.MultiplyAdd(v, zero, notFinite);
        }
        var top = W.Max(largest);
        V inverse = W.Create(top > Smallest ? 127 / top : 0), shifter = W.Create(Shifter), minusBits = W.CreateBits(unchecked((uint)-BitConverter.SingleToInt32Bits(Shifter)));
        for (var i = 0; i < BlockShape.Size; i += W.Count)
            W.Store((float*)whole + i, W.AddBits(W.Add(W.Multiply(W.Load(x + i), inverse), shifter), minusBits));
        return top / 127 + W.Sum(notFinite);
    }
}
