using System.Buffers.Binary;

namespace Gpt35.Kernels;

/// <summary>Places in memory that an instruction reads or writes: a register of the calling convention and a distance.</summary>
internal readonly record struct Address(int Register, int Distance);

/// <summary>
/// Writes the few instructions of a kernel that .NET has no intrinsics for (Intel SDM vol. 2, section 2.7, EVEX encoding): 512 bits, no masks,
/// addresses with a distance of four bytes.
/// </summary>
internal sealed class EvexAssembler
{
    // The first arguments under the System V calling convention.
    internal const int Rdi = 7, Rsi = 6, Rdx = 2, Rcx = 1, R8 = 8, R9 = 9;
    /// <summary>Free for a kernel to use.</summary>
    internal const int R10 = 10, R11 = 11;

    private const int Map0F = 1, Map0F38 = 2, NoPrefix = 0, Prefix66 = 1, PrefixF3 = 2;

    private readonly List<byte> code = [];

    public ReadOnlySpan<byte> Code => code.ToArray();

    public int Here => code.Count;

    /// <summary>z = 16 floats.</summary>
    public void Load(int z, Address from) => Emit(Map0F, NoPrefix, 0x10, z, 0, from, broadcast: false);
    public void Store(Address to, int z) => Emit(Map0F, NoPrefix, 0x11, z, 0, to, broadcast: false);
    /// <summary>z = one 32-bit number, 16 times.</summary>
    public void Broadcast(int z, Address from) => Emit(Map0F38, Prefix66, 0x58, z, 0, from, broadcast: false);
    /// <summary>z = a 32-bit number, 16 times; by way of eax.</summary>
    public void Fill(int z, int number)
    {
        code.Add(0xB8);
        Number(number);
        Emit(Map0F38, Prefix66, 0x7C, z, 0, 0);
    }

    /// <summary>z = 16 F16 numbers as floats.</summary>
    public void LoadHalves(int z, Address from) => Emit(Map0F38, Prefix66, 0x13, z, 0, from, broadcast: false);
    /// <summary>sum += Σ of four unsigned bytes of each lane of <paramref name="bytes"/> by the four signed bytes in memory, AVX512-VNNI's vpdpbusd.</summary>
    public void DotBroadcast(int sum, int bytes, Address signed) => Emit(Map0F38, Prefix66, 0x50, sum, bytes, signed, broadcast: true);
    /// <summary>sum += two numbers of 16 bits (bfloat16) of each lane by the two in memory, AVX512-BF16's vdpbf16ps.</summary>
    public void DotPairsBroadcast(int sum, int pairs, Address others) => Emit(Map0F38, PrefixF3, 0x52, sum, pairs, others, broadcast: true);
    /// <summary>The same of two registers.</summary>
    public void DotPairs(int sum, int pairs, int others) => Emit(Map0F38, PrefixF3, 0x52, sum, pairs, others);
    /// <summary>z = x · one float.</summary>
    public void MultiplyBroadcast(int z, int x, Address factor) => Emit(Map0F, NoPrefix, 0x59, z, x, factor, broadcast: true);
    /// <summary>z += x · y.</summary>
    public void MultiplyAdd(int z, int x, int y) => Emit(Map0F38, Prefix66, 0xB8, z, x, y);
    /// <summary>Whole numbers to floats.</summary>
    public void ToFloats(int z, int x) => Emit(Map0F, NoPrefix, 0x5B, z, 0, x);
    public void AddWhole(int z, int x, int y) => Emit(Map0F, Prefix66, 0xFE, z, x, y);
    public void And(int z, int x, int y) => Emit(Map0F, Prefix66, 0xDB, z, x, y);
    public void Xor(int z, int x, int y) => Emit(Map0F, Prefix66, 0xEF, z, x, y);

    /// <summary>z = x with every 32 bits shifted right.</summary>
    public void ShiftRight(int z, int x, byte bits)
    {
        Emit(Map0F, Prefix66, 0x72, 2, z, x);               // the operation is in the place of a register, the target in that of the second source
        code.Add(bits);
    }

    /// <summary>A general register += a number.</summary>
    public void Add(int register, int number)
    {
        code.AddRange([(byte)(0x48 | (register >> 3)), 0x81, (byte)(0xC0 | (register & 7))]);
        Number(number);
    }

    /// <summary>A general register += another.</summary>
    public void AddRegister(int register, int other) =>
        code.AddRange([(byte)(0x48 | (other >> 3 << 2) | (register >> 3)), 0x01, (byte)(0xC0 | ((other & 7) << 3) | (register & 7))]);

    /// <summary>A register from R8 on = the argument of that number, from the seventh on; only before anything is put on the stack.</summary>
    public void LoadArgument(int register, int number) =>
        code.AddRange([0x4C, 0x8B, (byte)(0x44 | ((register & 7) << 3)), 0x24, (byte)((number - 6) * sizeof(long))]);

    /// <summary>Asks for a line of memory that will be read.</summary>
    public void Prefetch(Address line) => Prefetch(0x18, line);
    /// <summary>Asks for a line of memory that will be written.</summary>
    public void PrefetchForWrite(Address line) => Prefetch(0x0D, line);

    private void Prefetch(byte operation, Address line)
    {
        if (line.Register >= R8) code.Add(0x41);
        code.AddRange([0x0F, operation, (byte)(0x88 | (line.Register & 7))]);
        Number(line.Distance);
    }

    /// <summary>A general register = another.</summary>
    public void Move(int register, int from) =>
        code.AddRange([(byte)(0x48 | (from >> 3 << 2) | (register >> 3)), 0x89, (byte)(0xC0 | ((from & 7) << 3) | (register & 7))]);

    /// <summary>A general register −= 1, and back to a place while it is not 0.</summary>
    public void CountDown(int register, int back)
    {
        code.AddRange([(byte)(0x48 | (register >> 3)), 0xFF, (byte)(0xC8 | (register & 7)), 0x0F, 0x85]);
        Number(back - (Here + sizeof(int)));
    }

    /// <summary>vzeroupper; ret.</summary>
    public void Return() => code.AddRange([0xC5, 0xF8, 0x77, 0xC3]);

    private void Emit(int map, int prefix, byte operation, int reg, int source, Address memory, bool broadcast)
    {
        Head(map, prefix, reg, source, memory.Register & 8, broadcast);
        code.AddRange([operation, (byte)(0x80 | ((reg & 7) << 3) | (memory.Register & 7))]);
        Number(memory.Distance);
    }

    private void Emit(int map, int prefix, byte operation, int reg, int source, int other)
    {
        Head(map, prefix, reg, source, other, broadcast: false);
        code.AddRange([operation, (byte)(0xC0 | ((reg & 7) << 3) | (other & 7))]);
    }

    /// <summary>The four bytes before an operation: upper bits of the registers, inverted; the map; the second source; 512 bits.</summary>
    private void Head(int map, int prefix, int reg, int source, int other, bool broadcast)
    {
        int Inverted(int register, int bit) => (~register >> bit) & 1;
        code.Add(0x62);
        code.Add((byte)((Inverted(reg, 3) << 7) | (Inverted(other, 4) << 6) | (Inverted(other, 3) << 5) | (Inverted(reg, 4) << 4) | map));
        code.Add((byte)(((~source & 0xF) << 3) | 0x4 | prefix));
        code.Add((byte)(0x40 | (broadcast ? 0x10 : 0) | (Inverted(source, 4) << 3)));
    }

    private void Number(int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        code.AddRange(bytes);
    }
}
