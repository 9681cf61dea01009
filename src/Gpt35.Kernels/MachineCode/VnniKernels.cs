using System.Runtime.Intrinsics.X86;
using static Gpt35.Kernels.EvexAssembler;

namespace Gpt35.Kernels;

/// <summary>
/// Groups of 16 rows of block weights by a tile of 1, 4 or 8 inputs, in AVX512-VNNI, for which .NET 10 has no intrinsics: one <c>vpdpbusd</c> multiplies and adds
/// 64 bytes, where AVX-512BW takes four instructions. The inner sums are whole numbers, so the bits are those of every other tier.
/// </summary>
internal static unsafe class VnniKernels
{
    private const int Widths = 3, Lanes = 16;
    /// <summary>How far ahead weights are asked for where several inputs keep the units busy: the processor's own reading ahead leaves gaps then. With one input it does not.</summary>
    private const int Ahead = 2048;
    // zmm0 … 7: sums of a block; 8 … 15: sums; then weights, their nibbles, the block's scales, one input's scales, the nibbles' mask.
    private const int Sums = 8, Weights = 16, Low = 17, High = 18, Scales = 19, Scale = 20, Mask = 21;

    private static readonly nint[] Int8 = new nint[Widths], Int4 = new nint[Widths];

    /// <summary>Whether the processor has the instruction and the system lets us use it.</summary>
    public static bool Available { get; } = Create();

    /// <summary>Adds the products of groups with a tile to their sums.</summary>
    /// <param name="bytesOfBlock">32 for int8, 16 for int4.</param>
    /// <param name="quants">The groups' weights, one group behind the other.</param>
    /// <param name="scales">And their scales.</param>
    /// <param name="tile">The inputs, see <see cref="BlockInputs{W, V, D}"/>.</param>
    /// <param name="width">1, 4 or 8 inputs.</param>
    /// <param name="blocks">Blocks of a row, at least one.</param>
    /// <param name="sums">(groups, width, 16).</param>
    /// <param name="groups">Groups, at least one. Of one input many at a time: memory keeps up only where nothing else comes between them.</param>
    public static void Multiply(int bytesOfBlock, byte* quants, ushort* scales, byte* tile, int width, int blocks, float* sums, int groups)
    {
        var code = (bytesOfBlock == BlockShape.Size ? Int8 : Int4)[width >> 2];
        ((delegate* unmanaged[Cdecl, SuppressGCTransition]<byte*, ushort*, byte*, long, float*, long, void>)code)(quants, scales, tile, blocks, sums, groups);
    }

    private static bool Create()
    {
        if (Simd.Best != SimdTier.Vector512 || !X86Base.X64.IsSupported || (X86Base.CpuId(7, 0).Ecx & 1 << 11) == 0) return false;
        for (var i = 0; i < Widths; i++)
        {
            var width = i == 0 ? 1 : 4 * i;
            Int8[i] = (nint)ExecutableMemory.Create(Write(width, nibbles: false));
            Int4[i] = (nint)ExecutableMemory.Create(Write(width, nibbles: true));
            if (Int8[i] == 0 || Int4[i] == 0) return false;
        }
        return true;
    }

    /// <summary>The code for a tile of that width.</summary>
    internal static byte[] Write(int width, bool nibbles)
    {
        var code = new EvexAssembler();
        int starts = sizeof(float) * width, steps = 2 * starts, blockBytes = nibbles ? BlockShape.Size / 2 : BlockShape.Size;
        if (nibbles) code.Fill(Mask, 0x0F0F0F0F);
        code.Move(R10, Rdx);
        code.Move(R11, Rcx);
        var group = code.Here;
        for (var i = 0; i < width; i++) code.Load(Sums + i, new Address(R8, i * Lanes * sizeof(float)));
        var loop = code.Here;
        for (var i = 0; i < width; i++) code.Broadcast(i, new Address(Rdx, starts + sizeof(int) * i));
        if (width == 1) code.Xor(1, 1, 1);                  // a single sum would wait for itself; two take turns
        for (var line = 0; line < blockBytes / BlockShape.Step; line++)
        {
            code.Load(Weights, new Address(Rdi, line * Lanes * BlockShape.Step));
            if (width > 1) code.Prefetch(new Address(Rdi, line * Lanes * BlockShape.Step + Ahead));
            if (!nibbles)
            {
                Dots(line, Weights);
                continue;
            }
            code.And(Low, Weights, Mask);
            code.ShiftRight(High, Weights, 4);
            code.And(High, High, Mask);
            Dots(line, Low);
            Dots(line + BlockShape.Steps / 2, High);
        }
        if (width == 1) code.AddWhole(0, 0, 1);
        code.LoadHalves(Scales, new Address(Rsi, 0));
        for (var i = 0; i < width; i++)
        {
            code.ToFloats(i, i);
            code.MultiplyBroadcast(Scale, Scales, new Address(Rdx, sizeof(float) * i));
            code.MultiplyAdd(Sums + i, i, Scale);
        }
        code.Add(Rdi, blockBytes * Lanes);
        code.Add(Rsi, Lanes * sizeof(ushort));
        code.Add(Rdx, steps + BlockShape.Steps * starts);
        code.CountDown(Rcx, loop);
        for (var i = 0; i < width; i++) code.Store(new Address(R8, i * Lanes * sizeof(float)), Sums + i);
        code.Add(R8, width * Lanes * sizeof(float));
        code.Move(Rdx, R10);
        code.Move(Rcx, R11);
        code.CountDown(R9, group);
        code.Return();
        return code.Code.ToArray();

        void Dots(int step, int bytes)
        {
            for (var i = 0; i < width; i++)
                code.DotBroadcast(width == 1 ? step & 1 : i, bytes, new Address(Rdx, steps + step * starts + sizeof(int) * i));
        }
    }
}
