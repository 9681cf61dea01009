namespace Gpt35.Kernels.Tests;

public class EvexAssemblerTests
{
    /// <summary>The bytes are those of GNU as (binutils), with {disp32}.</summary>
    [Fact]
    public void Instructions_have_the_bytes_of_another_assembler()
    {
        var code = new EvexAssembler();
        code.Load(9, new Address(EvexAssembler.R8, 64));
        code.Store(new Address(EvexAssembler.R8, 448), 15);
        code.Broadcast(3, new Address(EvexAssembler.Rdx, 12));
        code.Fill(21, 0x0F0F0F0F);
        code.LoadHalves(19, new Address(EvexAssembler.Rsi, 0));
        code.DotBroadcast(7, 16, new Address(EvexAssembler.Rdx, 92));
        code.MultiplyBroadcast(20, 19, new Address(EvexAssembler.Rdx, 28));
        code.MultiplyAdd(15, 7, 20);
        code.ToFloats(7, 7);
        code.AddWhole(0, 0, 1);
        code.And(17, 16, 21);
        code.Xor(1, 1, 1);
        code.ShiftRight(18, 16, 4);
        code.Load(16, new Address(EvexAssembler.Rdi, -448));
        code.Add(EvexAssembler.Rdi, 512);
        code.Add(EvexAssembler.Rdx, 320);
        code.Add(EvexAssembler.R8, 256);
        code.Move(EvexAssembler.R10, EvexAssembler.Rdx);
        code.Move(EvexAssembler.Rcx, EvexAssembler.R11);
        code.DotPairsBroadcast(7, 24, new Address(EvexAssembler.Rdi, 28));
        code.DotPairs(23, 26, 3);
        code.LoadArgument(EvexAssembler.R10, 7);
        code.LoadArgument(EvexAssembler.R11, 8);
        code.PrefetchForWrite(new Address(EvexAssembler.R11, 128));
        code.PrefetchForWrite(new Address(EvexAssembler.Rdx, 64));
        code.AddRegister(EvexAssembler.Rdx, EvexAssembler.R10);
        code.AddRegister(EvexAssembler.R8, EvexAssembler.R9);
        code.Return();
        string[] expected =
        [
            "62517C48108840000000",     // vmovups zmm9, [r8+64]
            "62517C4811B8C0010000",     // vmovups [r8+448], zmm15
            "62F27D48589A0C000000",     // vpbroadcastd zmm3, [rdx+12]
            "B80F0F0F0F62E27D487CE8",   // mov eax, 0x0f0f0f0f; vpbroadcastd zmm21, eax
            "62E27D48139E00000000",     // vcvtph2ps zmm19, [rsi]
            "62F27D5050BA5C000000",     // vpdpbusd zmm7, zmm16, [rdx+92]{1to16}
            "62E1645059A21C000000",     // vmulps zmm20, zmm19, [rdx+28]{1to16}
            "62324548B8FC",             // vfmadd231ps zmm15, zmm7, zmm20
            "62F17C485BFF",             // vcvtdq2ps zmm7, zmm7
            "62F17D48FEC1",             // vpaddd zmm0, zmm0, zmm1
            "62A17D40DBCD",             // vpandd zmm17, zmm16, zmm21
            "62F17548EFC9",             // vpxord zmm1, zmm1, zmm1
            "62B16D4072D004",           // vpsrld zmm18, zmm16, 4
            "62E17C48108740FEFFFF",     // vmovups zmm16, [rdi-448]
            "4881C700020000",           // add rdi, 512
            "4881C240010000",           // add rdx, 320
            "4981C000010000",           // add r8, 256
            "4989D2",                   // mov r10, rdx
            "4C89D9",                   // mov rcx, r11
            "62F23E5052BF1C000000",     // vdpbf16ps zmm7, zmm24, [rdi+28]{1to16}
            "62E22E4052FB",             // vdpbf16ps zmm23, zmm26, zmm3
            "4C8B542408",               // mov r10, [rsp+8]
            "4C8B5C2410",               // mov r11, [rsp+16]
            "410F0D8B80000000",         // prefetchw [r11+128]
            "0F0D8A40000000",           // prefetchw [rdx+64]
            "4C01D2",                   // add rdx, r10
            "4D01C8",                   // add r8, r9
            "C5F877C3",                 // vzeroupper; ret
        ];
        Assert.Equal(string.Concat(expected), Convert.ToHexString(code.Code));
    }

    /// <summary>dec rcx; jnz -9: back over itself; the same of r9.</summary>
    [Fact]
    public void A_loop_goes_back_from_behind_its_jump()
    {
        var code = new EvexAssembler();
        code.CountDown(EvexAssembler.Rcx, code.Here);
        code.CountDown(EvexAssembler.R9, code.Here);
        Assert.Equal("48FFC90F85F7FFFFFF49FFC90F85F7FFFFFF", Convert.ToHexString(code.Code));
    }
}
