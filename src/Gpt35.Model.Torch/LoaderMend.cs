using System.Buffers.Binary;
using System.Text;

namespace Gpt35.Model.Torch;

/// <summary>
/// Lets TorchSharp's native shim load beside a C++ library older than GCC 13's. The shim asks for version GLIBCXX_3.4.32 for one symbol only,
/// <c>std::ios_base_library_init()</c>, which makes sure that std::cout is set up before static constructors run. In a copy of the file that
/// symbol is renamed to <c>std::get_terminate()</c>, which takes nothing and does nothing, and the version to GLIBCXX_3.4.20, which has it;
/// older libraries set std::cout up by themselves. Everything is looked up and compared before it is changed, and a file that
/// differs in any of it is refused.
/// </summary>
/// <remarks>Format: System V ABI, chapters 4 and 5; symbol versions: LSB Core 5.0, section 10.7.</remarks>
internal static class LoaderMend
{
    /// <summary>The symbol that an old library lacks; where the library has it, nothing is to be mended.</summary>
    internal const string MissingSymbol = "_ZSt21ios_base_library_initv";
    internal const string MissingVersion = "GLIBCXX_3.4.32";
    private const string PresentSymbol = "_ZSt13get_terminatev", PresentVersion = "GLIBCXX_3.4.20", Library = "libstdc++.so.6";
    private const int DynamicSymbols = 11, VersionNeeds = 0x6ffffffe, VersionOfSymbols = 0x6fffffff;
    private const int SymbolSize = 24, VersionMask = 0x7fff;

    /// <summary>A mended copy of <paramref name="file"/>.</summary>
    /// <param name="file">libLibTorchSharp.so for Linux on x86-64.</param>
    /// <param name="name">What to call the file in a complaint.</param>
    /// <exception cref="InvalidDataException">The file is not built as expected.</exception>
    public static byte[] Apply(ReadOnlySpan<byte> file, string name)
    {
        try
        {
            return Mended(file.ToArray(), name);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw Refusal(name, "it ends before a table that its header names", e);
        }
    }

    private static byte[] Mended(byte[] bytes, string name)
    {
        var elf = new Elf(bytes, name);
        Section symbols = elf.Find(DynamicSymbols), needs = elf.Find(VersionNeeds), versions = elf.Find(VersionOfSymbols), strings = elf.Linked(symbols);
        if (elf.Linked(needs) != strings) throw Refusal(name, "its symbols and its versions have different string tables");

        var auxiliary = elf.FindVersion(needs, strings, Library, MissingVersion)
            ?? throw Refusal(name, $"it does not ask {Library} for {MissingVersion}");
        var index = elf.UInt16(auxiliary + 6) & VersionMask;
        var users = elf.SymbolsOfVersion(symbols, versions, index);
        if (users.Count != 1 || elf.String(strings, (int)elf.UInt32(users[0])) != MissingSymbol || elf.UInt16(users[0] + 6) != 0)
            throw Refusal(name, $"{users.Count} symbols need {MissingVersion}, not {MissingSymbol} alone");

        int symbolName = (int)elf.UInt32(users[0]), versionName = (int)elf.UInt32(auxiliary + 8);
        // A linker may let one name be the end of another.
        elf.RequireUnshared(symbols, needs, symbolName, MissingSymbol.Length);
        elf.RequireUnshared(symbols, needs, versionName, MissingVersion.Length);
        elf.Replace(strings.Offset + symbolName, MissingSymbol, PresentSymbol);
        elf.Replace(strings.Offset + versionName, MissingVersion, PresentVersion);
        if (elf.UInt32(auxiliary) != Hash(MissingVersion)) throw Refusal(name, $"the hash of {MissingVersion} is not the one of the ABI");
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(auxiliary), Hash(PresentVersion));
        return bytes;
    }

    /// <summary>The ABI's hash of a name (System V ABI, figure 5-13).</summary>
    internal static uint Hash(string name)
    {
        uint hash = 0;
        foreach (var letter in name)
        {
            hash = (hash << 4) + letter;
            var top = hash & 0xf0000000;
            hash = (hash ^ (top >> 24)) & ~top;
        }
        return hash;
    }

    private static InvalidDataException Refusal(string name, string what, Exception? inner = null) =>
        new($"{name}: {what}, so it is not the TorchSharp 0.107 library that gpt35 knows how to load with this system's {Library}, which is older than GCC 13's. Install libstdc++ 13 or newer, or take the cpu backend.", inner);

    private readonly record struct Section(int Type, int Offset, int Size, int Link);

    /// <summary>A 64-bit little-endian ELF file; every read is checked against its length.</summary>
    private readonly struct Elf
    {
        private readonly byte[] bytes;
        private readonly string name;
        private readonly Section[] sections;

        public Elf(byte[] bytes, string name)
        {
            (this.bytes, this.name, sections) = (bytes, name, []);
            // Magic, 64 bits, little-endian; a shared object; x86-64.
            if (!bytes.AsSpan(0, 6).SequenceEqual("\u007fELF\u0002\u0001"u8) || UInt16(16) != 3 || UInt16(18) != 62)
                throw Refusal(name, "it is no shared library for x86-64");
            var (table, size, count) = (Place(40), UInt16(58), UInt16(60));
            sections = new Section[count];
            for (var i = 0; i < count; i++)
            {
                var header = table + i * size;
                sections[i] = new Section((int)UInt32(header + 4), Place(header + 24), Place(header + 32), (int)UInt32(header + 40));
            }
        }

        public Section Find(int type)
        {
            var found = Array.FindAll(sections, section => section.Type == type);
            return found.Length == 1 ? found[0] : throw Refusal(name, $"it has {found.Length} sections of type {type:x}, not one");
        }

        public Section Linked(Section section) =>
            (uint)section.Link < sections.Length ? sections[section.Link] : throw Refusal(name, $"a section refers to section {section.Link} of {sections.Length}");

        public ushort UInt16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at, 2));

        public uint UInt32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at, 4));

        public string String(Section strings, int at)
        {
            var rest = bytes.AsSpan(strings.Offset, strings.Size)[at..];
            var end = rest.IndexOf((byte)0);
            return end < 0 ? throw Refusal(name, "a name has no end") : Encoding.Latin1.GetString(rest[..end]);
        }

        /// <summary>Place of the entry (Elf64_Vernaux) with which <paramref name="library"/> is asked for <paramref name="version"/>.</summary>
        public int? FindVersion(Section needs, Section strings, string library, string version)
        {
            foreach (var (file, entry) in Versions(needs))
                if (String(strings, (int)UInt32(file + 4)) == library && String(strings, (int)UInt32(entry + 8)) == version) return entry;
            return null;
        }

        /// <summary>Places of the symbols (Elf64_Sym) that have a version.</summary>
        public List<int> SymbolsOfVersion(Section symbols, Section versions, int index)
        {
            var found = new List<int>();
            for (var i = 0; i < symbols.Size / SymbolSize; i++)
                if ((UInt16(versions.Offset + 2 * i) & VersionMask) == index) found.Add(symbols.Offset + i * SymbolSize);
            return found;
        }

        /// <summary>Refuses when anything but one name begins within the <paramref name="length"/> letters at <paramref name="start"/> or its end.</summary>
        public void RequireUnshared(Section symbols, Section needs, int start, int length)
        {
            var uses = 0;
            void Count(uint at) => uses += at >= start && at <= start + length ? 1 : 0;
            for (var i = 0; i < symbols.Size / SymbolSize; i++) Count(UInt32(symbols.Offset + i * SymbolSize));
            foreach (var (file, entry) in Versions(needs))
            {
                Count(UInt32(file + 4));
                Count(UInt32(entry + 8));
            }
            if (uses != 1) throw Refusal(name, $"{uses} names share the letters of one that would be changed");
        }

        /// <summary>Puts <paramref name="after"/>, which is no longer, in the place of <paramref name="before"/>, ends included.</summary>
        public void Replace(int at, string before, string after)
        {
            var place = bytes.AsSpan(at, before.Length + 1);
            if (!place[..^1].SequenceEqual(Encoding.Latin1.GetBytes(before)) || place[^1] != 0) throw Refusal(name, $"\"{before}\" is not where its table says");
            place.Clear();
            Encoding.Latin1.GetBytes(after, place);
        }

        /// <summary>Places of every (Elf64_Verneed, Elf64_Vernaux) pair.</summary>
        private List<(int File, int Entry)> Versions(Section needs)
        {
            var all = new List<(int, int)>();
            var file = needs.Offset;
            while (true)
            {
                var entry = file + Step(file + 8);
                for (var i = UInt16(file + 2); i > 0; i--)
                {
                    all.Add((file, entry));
                    entry += Step(entry + 12);
                }
                if (Step(file + 12) is not (var next and > 0)) return all;
                file += next;
            }
        }

        /// <summary>A distance to another entry: forward and within the file, so that a walk ends.</summary>
        private int Step(int at) => UInt32(at) <= bytes.Length ? (int)UInt32(at) : throw Refusal(name, "an entry of its version table lies outside of it");

        private int Place(int at)
        {
            var value = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at, 8));
            return value <= (ulong)bytes.Length ? (int)value : throw Refusal(name, "a section lies outside of the file");
        }
    }
}
