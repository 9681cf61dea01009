using System.Runtime.CompilerServices;

namespace Gpt35.Kernels;

/// <summary>A tile of C held in registers: some rows by two vectors. Every element is one chain of fused multiply-adds over k.</summary>
internal unsafe interface ITile
{
    static abstract int Rows { get; }

    /// <summary>c = start + a·b: (Rows, depth)·(depth, 2 vectors), with the row and column strides given; start may be c.</summary>
    static abstract void Multiply(
        int depth, float* a, nint aRow, nint aColumn, float* b, nint bRow, float* start, nint startRow, float* c, nint cRow);
}

/// <summary>24 sums, 2 vectors of b and 1 of a: 27 of 32 registers. Four base pointers reach the twelve rows of a by scaled indices.</summary>
internal readonly unsafe struct Tile12<W, V> : ITile where W : struct, ILanes<V> where V : unmanaged
{
    public static int Rows => 12;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply(
        int depth, float* a, nint aRow, nint aColumn, float* b, nint bRow, float* start, nint startRow, float* c, nint cRow)
    {
        V l0 = W.Load(start), r0 = W.Load(start + W.Count);
        start += startRow;
        V l1 = W.Load(start), r1 = W.Load(start + W.Count);
        start += startRow;
        V l2 = W.Load(start), r2 = W.Load(start + W.Count);
        start += startRow;
        V l3 = W.Load(start), r3 = W.Load(start + W.Count);
        start += startRow;
        V l4 = W.Load(start), r4 = W.Load(start + W.Count);
        start += startRow;
        V l5 = W.Load(start), r5 = W.Load(start + W.Count);
        start += startRow;
        V l6 = W.Load(start), r6 = W.Load(start + W.Count);
        start += startRow;
        V l7 = W.Load(start), r7 = W.Load(start + W.Count);
        start += startRow;
        V l8 = W.Load(start), r8 = W.Load(start + W.Count);
        start += startRow;
        V l9 = W.Load(start), r9 = W.Load(start + W.Count);
        start += startRow;
        V la = W.Load(start), ra = W.Load(start + W.Count);
        start += startRow;
        V lb = W.Load(start), rb = W.Load(start + W.Count);
        float* a0 = a, a1 = a + 3 * aRow, a2 = a + 6 * aRow, a3 = a + 9 * aRow;
        var aTwo = 2 * aRow;
        for (; depth > 0; depth--)
        {
            V left = W.Load(b), right = W.Load(b + W.Count);
            var x = W.Create(*a0);
            l0 = W.MultiplyAdd(x, left, l0);
            r0 = W.MultiplyAdd(x, right, r0);
            x = W.Create(a0[aRow]);
            l1 = W.MultiplyAdd(x, left, l1);
            r1 = W.MultiplyAdd(x, right, r1);
            x = W.Create(a0[aTwo]);
            l2 = W.MultiplyAdd(x, left, l2);
            r2 = W.MultiplyAdd(x, right, r2);
            x = W.Create(*a1);
            l3 = W.MultiplyAdd(x, left, l3);
            r3 = W.MultiplyAdd(x, right, r3);
            x = W.Create(a1[aRow]);
            l4 = W.MultiplyAdd(x, left, l4);
            r4 = W.MultiplyAdd(x, right, r4);
            x = W.Create(a1[aTwo]);
            l5 = W.MultiplyAdd(x, left, l5);
            r5 = W.MultiplyAdd(x, right, r5);
            x = W.Create(*a2);
            l6 = W.MultiplyAdd(x, left, l6);
            r6 = W.MultiplyAdd(x, right, r6);
            x = W.Create(a2[aRow]);
            l7 = W.MultiplyAdd(x, left, l7);
            r7 = W.MultiplyAdd(x, right, r7);
            x = W.Create(a2[aTwo]);
            l8 = W.MultiplyAdd(x, left, l8);
            r8 = W.MultiplyAdd(x, right, r8);
            x = W.Create(*a3);
            l9 = W.MultiplyAdd(x, left, l9);
            r9 = W.MultiplyAdd(x, right, r9);
            x = W.Create(a3[aRow]);
            la = W.MultiplyAdd(x, left, la);
            ra = W.MultiplyAdd(x, right, ra);
            x = W.Create(a3[aTwo]);
            lb = W.MultiplyAdd(x, left, lb);
            rb = W.MultiplyAdd(x, right, rb);
            a0 += aColumn;
            a1 += aColumn;
            a2 += aColumn;
            a3 += aColumn;
            b += bRow;
        }
        W.Store(c, l0);
        W.Store(c + W.Count, r0);
        c += cRow;
        W.Store(c, l1);
        W.Store(c + W.Count, r1);
        c += cRow;
        W.Store(c, l2);
        W.Store(c + W.Count, r2);
        c += cRow;
        W.Store(c, l3);
        W.Store(c + W.Count, r3);
        c += cRow;
        W.Store(c, l4);
        W.Store(c + W.Count, r4);
        c += cRow;
        W.Store(c, l5);
        W.Store(c + W.Count, r5);
        c += cRow;
        W.Store(c, l6);
        W.Store(c + W.Count, r6);
        c += cRow;
        W.Store(c, l7);
        W.Store(c + W.Count, r7);
        c += cRow;
        W.Store(c, l8);
        W.Store(c + W.Count, r8);
        c += cRow;
        W.Store(c, l9);
        W.Store(c + W.Count, r9);
        c += cRow;
        W.Store(c, la);
        W.Store(c + W.Count, ra);
        c += cRow;
        W.Store(c, lb);
        W.Store(c + W.Count, rb);
    }
}

/// <summary>12 sums, 2 vectors of b and 1 of a: 15 of 16 registers.</summary>
internal readonly unsafe struct Tile6<W, V> : ITile where W : struct, ILanes<V> where V : unmanaged
{
    public static int Rows => 6;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply(
        int depth, float* a, nint aRow, nint aColumn, float* b, nint bRow, float* start, nint startRow, float* c, nint cRow)
    {
        V l0 = W.Load(start), r0 = W.Load(start + W.Count);
        start += startRow;
        V l1 = W.Load(start), r1 = W.Load(start + W.Count);
        start += startRow;
        V l2 = W.Load(start), r2 = W.Load(start + W.Count);
        start += startRow;
        V l3 = W.Load(start), r3 = W.Load(start + W.Count);
        start += startRow;
        V l4 = W.Load(start), r4 = W.Load(start + W.Count);
        start += startRow;
        V l5 = W.Load(start), r5 = W.Load(start + W.Count);
        float* a0 = a, a1 = a + 3 * aRow;
        var aTwo = 2 * aRow;
        for (; depth > 0; depth--)
        {
            V left = W.Load(b), right = W.Load(b + W.Count);
            var x = W.Create(*a0);
            l0 = W.MultiplyAdd(x, left, l0);
            r0 = W.MultiplyAdd(x, right, r0);
            x = W.Create(a0[aRow]);
            l1 = W.MultiplyAdd(x, left, l1);
            r1 = W.MultiplyAdd(x, right, r1);
            x = W.Create(a0[aTwo]);
            l2 = W.MultiplyAdd(x, left, l2);
            r2 = W.MultiplyAdd(x, right, r2);
            x = W.Create(*a1);
            l3 = W.MultiplyAdd(x, left, l3);
            r3 = W.MultiplyAdd(x, right, r3);
            x = W.Create(a1[aRow]);
            l4 = W.MultiplyAdd(x, left, l4);
            r4 = W.MultiplyAdd(x, right, r4);
            x = W.Create(a1[aTwo]);
            l5 = W.MultiplyAdd(x, left, l5);
            r5 = W.MultiplyAdd(x, right, r5);
            a0 += aColumn;
            a1 += aColumn;
            b += bRow;
        }
        W.Store(c, l0);
        W.Store(c + W.Count, r0);
        c += cRow;
        W.Store(c, l1);
        W.Store(c + W.Count, r1);
        c += cRow;
        W.Store(c, l2);
        W.Store(c + W.Count, r2);
        c += cRow;
        W.Store(c, l3);
        W.Store(c + W.Count, r3);
        c += cRow;
        W.Store(c, l4);
        W.Store(c + W.Count, r4);
        c += cRow;
        W.Store(c, l5);
        W.Store(c + W.Count, r5);
    }
}

/// <summary>What is left below the main tile; 8 sums are just enough to keep two multiply-add units busy.</summary>
internal readonly unsafe struct Tile4<W, V> : ITile where W : struct, ILanes<V> where V : unmanaged
{
    public static int Rows => 4;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply(
        int depth, float* a, nint aRow, nint aColumn, float* b, nint bRow, float* start, nint startRow, float* c, nint cRow)
    {
        V l0 = W.Load(start), r0 = W.Load(start + W.Count);
        start += startRow;
        V l1 = W.Load(start), r1 = W.Load(start + W.Count);
        start += startRow;
        V l2 = W.Load(start), r2 = W.Load(start + W.Count);
        start += startRow;
        V l3 = W.Load(start), r3 = W.Load(start + W.Count);
        float* a0 = a, a1 = a + 2 * aRow;
        for (; depth > 0; depth--)
        {
            V left = W.Load(b), right = W.Load(b + W.Count);
            var x = W.Create(*a0);
            l0 = W.MultiplyAdd(x, left, l0);
            r0 = W.MultiplyAdd(x, right, r0);
            x = W.Create(a0[aRow]);
            l1 = W.MultiplyAdd(x, left, l1);
            r1 = W.MultiplyAdd(x, right, r1);
            x = W.Create(*a1);
            l2 = W.MultiplyAdd(x, left, l2);
            r2 = W.MultiplyAdd(x, right, r2);
            x = W.Create(a1[aRow]);
            l3 = W.MultiplyAdd(x, left, l3);
            r3 = W.MultiplyAdd(x, right, r3);
            a0 += aColumn;
            a1 += aColumn;
            b += bRow;
        }
        W.Store(c, l0);
        W.Store(c + W.Count, r0);
        c += cRow;
        W.Store(c, l1);
        W.Store(c + W.Count, r1);
        c += cRow;
        W.Store(c, l2);
        W.Store(c + W.Count, r2);
        c += cRow;
        W.Store(c, l3);
        W.Store(c + W.Count, r3);
    }
}

/// <summary>One row of C: four panels at once, or one.</summary>
internal static unsafe class RowTile<W, V> where W : struct, ILanes<V> where V : unmanaged
{
    /// <summary>Eight vectors of c = start + a·b, two from each of four panels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void Multiply(int depth, float* a, nint aColumn, float* b, nint bRow, nint panelStride, float* start, float* c)
    {
        V l0 = W.Load(start), r0 = W.Load(start + W.Count), l1 = W.Load(start + 2 * W.Count), r1 = W.Load(start + 3 * W.Count);
        V l2 = W.Load(start + 4 * W.Count), r2 = W.Load(start + 5 * W.Count), l3 = W.Load(start + 6 * W.Count), r3 = W.Load(start + 7 * W.Count);
        float* b1 = b + panelStride, b2 = b1 + panelStride, b3 = b2 + panelStride;
        for (; depth > 0; depth--)
        {
            var x = W.Create(*a);
            l0 = W.MultiplyAdd(x, W.Load(b), l0);
            r0 = W.MultiplyAdd(x, W.Load(b + W.Count), r0);
            l1 = W.MultiplyAdd(x, W.Load(b1), l1);
            r1 = W.MultiplyAdd(x, W.Load(b1 + W.Count), r1);
            l2 = W.MultiplyAdd(x, W.Load(b2), l2);
            r2 = W.MultiplyAdd(x, W.Load(b2 + W.Count), r2);
            l3 = W.MultiplyAdd(x, W.Load(b3), l3);
            r3 = W.MultiplyAdd(x, W.Load(b3 + W.Count), r3);
            a += aColumn;
            b += bRow;
            b1 += bRow;
            b2 += bRow;
            b3 += bRow;
        }
        W.Store(c, l0);
        W.Store(c + W.Count, r0);
        W.Store(c + 2 * W.Count, l1);
        W.Store(c + 3 * W.Count, r1);
        W.Store(c + 4 * W.Count, l2);
        W.Store(c + 5 * W.Count, r2);
        W.Store(c + 6 * W.Count, l3);
        W.Store(c + 7 * W.Count, r3);
    }

    /// <summary>Two vectors of c = start + a·b from one panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void MultiplyOne(int depth, float* a, nint aColumn, float* b, nint bRow, float* start, float* c)
    {
        V left = W.Load(start), right = W.Load(start + W.Count);
        for (; depth > 0; depth--, a += aColumn, b += bRow)
        {
            var x = W.Create(*a);
            left = W.MultiplyAdd(x, W.Load(b), left);
            right = W.MultiplyAdd(x, W.Load(b + W.Count), right);
        }
        W.Store(c, left);
        W.Store(c + W.Count, right);
    }
}
