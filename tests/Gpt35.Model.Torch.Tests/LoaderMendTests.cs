using System.Runtime.InteropServices;
using CsCheck;

namespace Gpt35.Model.Torch.Tests;

public class LoaderMendTests
{
    private static readonly string Original = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so");

    [Fact]
    public void The_hash_is_the_one_of_the_ABI()
    {
        // Values that every Linux program carries (readelf -V of any of them).
        Assert.Equal(0x09691a75u, LoaderMend.Hash("GLIBC_2.2.5"));
        Assert.Equal(0x0d696914u, LoaderMend.Hash("GLIBC_2.4"));
    }

    [Fact]
    public void Mending_changes_one_symbol_one_version_and_its_hash_and_nothing_else()
    {
        var before = File.ReadAllBytes(Original);
        var after = LoaderMend.Apply(before, Original);
        Assert.Equal(before.Length, after.Length);
        int symbol = Find(before, LoaderMend.MissingSymbol), version = Find(before, LoaderMend.MissingVersion);
        var changed = Enumerable.Range(0, before.Length).Where(i => before[i] != after[i]).ToList();
        var elsewhere = changed.Where(i => !(i >= symbol && i < symbol + LoaderMend.MissingSymbol.Length) && !(i >= version && i < version + LoaderMend.MissingVersion.Length)).ToList();
        Assert.InRange(elsewhere.Count, 1, 4);                                  // the four bytes of the hash, those of them that differ
        var hash = elsewhere[0] & ~3;
        Assert.Equal(LoaderMend.Hash(LoaderMend.MissingVersion), BitConverter.ToUInt32(before, hash));
        Assert.Equal(LoaderMend.Hash("GLIBCXX_3.4.20"), BitConverter.ToUInt32(after, hash));
        Assert.Equal("_ZSt13get_terminatev\0\0\0\0\0\0\0\0"u8, after.AsSpan(symbol, LoaderMend.MissingSymbol.Length));
        Assert.Equal("GLIBCXX_3.4.20\0"u8, after.AsSpan(version, LoaderMend.MissingVersion.Length + 1));
    }

    [Fact]
    public void A_mended_file_and_a_file_of_another_kind_are_refused_with_what_to_do()
    {
        var mended = LoaderMend.Apply(File.ReadAllBytes(Original), Original);
        var twice = Assert.Throws<InvalidDataException>(() => LoaderMend.Apply(mended, "twice.so"));
        Assert.Contains("twice.so: it does not ask libstdc++.so.6 for GLIBCXX_3.4.32", twice.Message);
        Assert.Contains("cpu backend", twice.Message);
        Assert.Throws<InvalidDataException>(() => LoaderMend.Apply([], "empty.so"));
        Assert.Throws<InvalidDataException>(() => LoaderMend.Apply(File.ReadAllBytes(typeof(LoaderMend).Assembly.Location), "managed.dll"));
    }

    [Fact]
    public void A_second_symbol_of_that_version_or_a_shared_name_is_refused()
    {
        var bytes = File.ReadAllBytes(Original);
        // Another symbol of the C++ library moves to the version: its entry in .gnu.version is set to the index that the one symbol has.
        var (symbols, versions, index) = Tables(bytes);
        var other = Enumerable.Range(1, symbols).First(i => BitConverter.ToUInt16(bytes, versions + 2 * i) > 1 && BitConverter.ToUInt16(bytes, versions + 2 * i) != index);
        BitConverter.TryWriteBytes(bytes.AsSpan(versions + 2 * other), index);
        var error = Assert.Throws<InvalidDataException>(() => LoaderMend.Apply(bytes, "two.so"));
        Assert.Contains("2 symbols need GLIBCXX_3.4.32", error.Message);
    }

    [Fact]
    public void A_damaged_file_is_mended_rightly_or_refused_but_never_anything_else()
    {
        var original = File.ReadAllBytes(Original);
        var sectionTable = (int)BitConverter.ToUInt64(original, 40);
        // The header, the section table and the two version tables are where a lie would do harm.
        var (_, versions, _) = Tables(original);
        var places = Gen.OneOf(Gen.Int[0, 63], Gen.Int[sectionTable, original.Length - 1], Gen.Int[versions, versions + 50_000]);
        Gen.Select(Gen.Select(places, Gen.Byte).Array[1, 4], Gen.Int[0, original.Length], Gen.Bool).Sample((damage, cut, isCut) =>
        {
            var bytes = original.ToArray();
            foreach (var (place, value) in damage) bytes[place] = value;
            try
            {
                LoaderMend.Apply(isCut ? bytes.AsSpan(0, cut) : bytes, "damaged.so");
            }
            catch (InvalidDataException e)
            {
                Assert.StartsWith("damaged.so: ", e.Message);
            }
        }, iter: 300, threads: 1);
    }

    [Fact]
    public void The_mended_copy_is_kept_and_one_that_was_tampered_with_is_replaced()
    {
        var cache = Directory.CreateTempSubdirectory("gpt35-mend-").FullName;
        try
        {
            var path = TorchRuntime.Mend(Original, cache);
            Assert.StartsWith(cache, path);
            Assert.Equal(LoaderMend.Apply(File.ReadAllBytes(Original), Original), File.ReadAllBytes(path));
            var written = File.GetLastWriteTimeUtc(path);
            Assert.Equal(path, TorchRuntime.Mend(Original, cache));
            Assert.Equal(written, File.GetLastWriteTimeUtc(path));
            File.AppendAllText(path, "x");
            TorchRuntime.Mend(Original, cache);
            Assert.Equal(new FileInfo(Original).Length, new FileInfo(path).Length);
            Assert.Single(Directory.EnumerateFiles(cache, "*", SearchOption.AllDirectories));
        }
        finally
        {
            Directory.Delete(cache, recursive: true);
        }
    }

    [Fact]
    public void The_package_itself_is_left_as_it_is()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "the mend is for Linux on x86-64");
        Support.RequireTorch();
        Assert.True(Find(File.ReadAllBytes(Original), LoaderMend.MissingSymbol) > 0);
    }

    private static int Find(ReadOnlySpan<byte> bytes, string name) => bytes.IndexOf(System.Text.Encoding.Latin1.GetBytes(name));

    /// <summary>Number of dynamic symbols, place of .gnu.version, and the version that the missing symbol has.</summary>
    private static (int Symbols, int Versions, ushort Index) Tables(byte[] bytes)
    {
        (int Offset, int Size, int Link) Section(uint type)
        {
            var table = (int)BitConverter.ToUInt64(bytes, 40);
            for (var header = table; ; header += 64)
                if (BitConverter.ToUInt32(bytes, header + 4) == type)
                    return ((int)BitConverter.ToUInt64(bytes, header + 24), (int)BitConverter.ToUInt64(bytes, header + 32), (int)BitConverter.ToUInt32(bytes, header + 40));
        }
        var symbols = Section(11);
        var strings = (int)BitConverter.ToUInt64(bytes, (int)BitConverter.ToUInt64(bytes, 40) + 64 * symbols.Link + 24);
        var versions = Section(0x6fffffff).Offset;
        var name = Find(bytes, LoaderMend.MissingSymbol) - strings;
        var index = Enumerable.Range(0, symbols.Size / 24).Single(i => BitConverter.ToUInt32(bytes, symbols.Offset + 24 * i) == name);
        return (symbols.Size / 24, versions, BitConverter.ToUInt16(bytes, versions + 2 * index));
    }
}
