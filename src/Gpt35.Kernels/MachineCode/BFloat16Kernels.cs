using System.Runtime.Intrinsics.X86;
using static Gpt35.Kernels.EvexAssembler;

namespace Gpt35.Kernels;

/// <summary>
/// A tile of C += A·B in AVX512-BF16, for which .NET 10 has no intrinsics: one <c>vpdpbf16ps</c>, 16 lanes wide, does 32 multiply-adds. What it computes is
/// <see cref="BFloat16Gemm.MultiplyAddPair"/>.
/// </summary>
internal static unsafe class BFloat16Kernels
{
    // zmm0 … 23: sums, row by row; 24 … 26: a pair of rows of B.
    private const int Columns = 24;
    private const int LaneBytes = 64;

    private static readonly nint[] code = new nint[BFloat16Panel.Rows * BFloat16Panel.Vectors];

    /// <summary>Whether the processor has the instruction and the system lets us use it.</summary>
    public static bool Available { get; } = Create();

    /// <summary>c = start + a·b.</summary>
    /// <param name="a">(pairs, 8) pairs of numbers, of which the first rows are used.</param>
    /// <param name="b">(pairs, 48) pairs of numbers, of which the first vectors are used.</param>
    /// <param name="pairs">Steps, at least one.</param>
    /// <param name="rows">1 … 8.</param>
    /// <param name="vectors">1 … 3 of 16 columns each.</param>
    /// <param name="start">What the sums start from.</param>
    /// <param name="startRow">Floats from row to row of start; 0 repeats one.</param>
    /// <param name="c">(rows, 16·vectors).</param>
    /// <param name="cRow">Floats from row to row of c.</param>
    /// <param name="next">The tile of C that will be computed next, of the same distance from row to row; any address.</param>
    public static void Multiply(uint* a, uint* b, int pairs, int rows, int vectors, float* start, nint startRow, float* c, nint cRow, float* next) =>
        ((delegate* unmanaged[Cdecl, SuppressGCTransition]<uint*, uint*, float*, long, float*, long, long, float*, void>)code[Index(rows, vectors)])(
            a, b, start, pairs, c, cRow * sizeof(float), startRow * sizeof(float), next);

    private static int Index(int rows, int vectors) => (rows - 1) * BFloat16Panel.Vectors + vectors - 1;

    private static bool Create()
    {
        const int Avx512Bf16 = 1 << 5;
        if (Simd.Best != SimdTier.Vector512 || !X86Base.X64.IsSupported || X86Base.CpuId(0, 0).Eax < 7 || X86Base.CpuId(7, 0).Eax < 1) return false;
        if ((X86Base.CpuId(7, 1).Eax & Avx512Bf16) == 0) return false;
        for (var rows = 1; rows <= BFloat16Panel.Rows; rows++)
            for (var vectors = 1; vectors <= BFloat16Panel.Vectors; vectors++)
            {
                var memory = (nint)ExecutableMemory.Create(Write(rows, vectors));
                if (memory == 0) return false;
                code[Index(rows, vectors)] = memory;
            }
        return true;
    }

    /// <summary>The code for a tile of that size.</summary>
    internal static ReadOnlySpan<byte> Write(int rows, int vectors)
    {
        var code = new EvexAssembler();
        code.LoadArgument(R10, 7);
        code.LoadArgument(R11, 8);
        for (var i = 0; i < rows; i++, code.AddRegister(Rdx, R10))
            for (var v = 0; v < vectors; v++) code.Load(Sum(i, v), new Address(Rdx, v * LaneBytes));
        // Sums of the next tile wait for what C holds, and what is stored here would wait for its lines.
        for (var i = 0; i < rows; i++, code.AddRegister(R11, R9))
            for (var v = 0; v < vectors; v++) code.PrefetchForWrite(new Address(R11, v * LaneBytes));
        var loop = code.Here;
        for (var v = 0; v < vectors; v++) code.Load(Columns + v, new Address(Rsi, v * LaneBytes));
        for (var i = 0; i < rows; i++)
            for (var v = 0; v < vectors; v++) code.DotPairsBroadcast(Sum(i, v), Columns + v, new Address(Rdi, i * sizeof(uint)));
        code.Add(Rdi, BFloat16Panel.Rows * sizeof(uint));
        code.Add(Rsi, BFloat16Panel.Vectors * LaneBytes);
        code.CountDown(EvexAssembler.Rcx, loop);
        for (var i = 0; i < rows; i++, code.AddRegister(R8, R9))
            for (var v = 0; v < vectors; v++) code.Store(new Address(R8, v * LaneBytes), Sum(i, v));
        code.Return();
        return code.Code;

        int Sum(int row, int vector) => row * vectors + vector;
    }
}
