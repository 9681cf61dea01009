using System.Globalization;
using System.Runtime.InteropServices;

namespace Gpt35.Kernels.Tests;

public sealed unsafe class ExecutableMemoryTests
{
    [Fact]
    public void Code_runs_and_can_no_longer_be_written()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "needs Linux on x64");
        var code = (nuint)ExecutableMemory.Create([0xB8, 0x2A, 0, 0, 0, 0xC3]);     // mov eax, 42; ret
        Assert.SkipWhen(code == 0, "this system refuses such memory");
        Assert.Equal(42, ((delegate* unmanaged[Cdecl]<int>)code)());
        var region = File.ReadLines("/proc/self/maps").Select(line => line.Split(' ')).Single(words => words[0].Split('-') is var ends && Address(ends[0]) <= code && code < Address(ends[1]));
        Assert.Equal("r-xp", region[1]);

        static ulong Address(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
