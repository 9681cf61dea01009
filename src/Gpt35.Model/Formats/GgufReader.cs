using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Gpt35.Model;

/// <summary>Reads the head of a GGUF file from front to back. Every count is held against the bytes that are left before anything is allocated for it.</summary>
internal sealed class GgufReader(MappedFile file)
{
    private const int DeepestArray = 4;

    /// <summary>The next byte.</summary>
    public long Position { get; private set; }

    public T Number<T>(string what) where T : unmanaged => MemoryMarshal.Read<T>(Take(Unsafe.SizeOf<T>(), what));

    /// <summary>A number of things of which each takes some bytes of what follows.</summary>
    public int Count(string what, int leastBytes)
    {
        var count = Number<ulong>($"the number of {what}");
        var most = (ulong)Math.Min(int.MaxValue, (file.Length - Position) / leastBytes);
        return count <= most ? (int)count : throw Bad($"{count} {what}", $"at most {most}, for which the file has bytes left");
    }

    public string Text(string what)
    {
        var length = Number<ulong>(what);
        if (length > (ulong)Math.Min(int.MaxValue, file.Length - Position)) throw Bad($"{what} of {length} bytes", $"at most the {file.Length - Position} that are left");
        return Encoding.UTF8.GetString(Take((int)length, what));
    }

    /// <summary>A value with its type before it.</summary>
    public object Value(string key) => Value(key, Type(key), 0);

    public InvalidDataException Bad(string found, string expected) => new($"{file.Path}: found {found} (at byte {Position}); expected {expected}.");

    private Type Type(string key)
    {
        var number = Number<uint>($"the type of \"{key}\"");
        return number < GgufLayout.Values.Length ? GgufLayout.Values[number] : throw Bad($"type {number} of \"{key}\"", $"a type from 0 to {GgufLayout.Values.Length - 1}");
    }

    private object Value(string key, Type type, int depth) =>
        type == typeof(string) ? Text($"\"{key}\"")
        : type == typeof(Array) ? Array(key, depth)
        : type == typeof(bool) ? Flag(key)
        : type == typeof(byte) ? Number<byte>(key) : type == typeof(sbyte) ? Number<sbyte>(key)
        : type == typeof(ushort) ? Number<ushort>(key) : type == typeof(short) ? Number<short>(key)
        : type == typeof(uint) ? Number<uint>(key) : type == typeof(int) ? Number<int>(key)
        : type == typeof(ulong) ? Number<ulong>(key) : type == typeof(long) ? Number<long>(key)
        : type == typeof(float) ? Number<float>(key) : (object)Number<double>(key);

    private bool Flag(string key)
    {
        var value = Number<byte>(key);
        return value <= 1 ? value == 1 : throw Bad($"{value} as \"{key}\"", "0 or 1, false or true");
    }

    private Array Array(string key, int depth)
    {
        if (depth == DeepestArray) throw Bad($"arrays more than {DeepestArray} deep in \"{key}\"", "flat ones");
        var type = Type(key);
        if (type == typeof(string)) return Fill(new string[Count($"strings of \"{key}\"", 8)], () => Text($"\"{key}\""));
        if (type == typeof(Array)) return Fill(new Array[Count($"arrays of \"{key}\"", 12)], () => Array(key, depth + 1));
        if (type == typeof(bool)) return Fill(new bool[Count($"flags of \"{key}\"", 1)], () => Flag(key));
        return type == typeof(byte) ? Numbers<byte>(key) : type == typeof(sbyte) ? Numbers<sbyte>(key)
            : type == typeof(ushort) ? Numbers<ushort>(key) : type == typeof(short) ? Numbers<short>(key)
            : type == typeof(uint) ? Numbers<uint>(key) : type == typeof(int) ? Numbers<int>(key)
            : type == typeof(ulong) ? Numbers<ulong>(key) : type == typeof(long) ? Numbers<long>(key)
            : type == typeof(float) ? Numbers<float>(key) : Numbers<double>(key);
    }

    private T[] Numbers<T>(string key) where T : unmanaged
    {
        var numbers = new T[Count($"numbers of \"{key}\"", Unsafe.SizeOf<T>())];
        Take(checked(numbers.Length * Unsafe.SizeOf<T>()), key).CopyTo(MemoryMarshal.AsBytes(numbers.AsSpan()));
        return numbers;
    }

    private static T[] Fill<T>(T[] list, Func<T> next)
    {
        for (var i = 0; i < list.Length; i++) list[i] = next();
        return list;
    }

    private ReadOnlySpan<byte> Take(int count, string what)
    {
        if (count > file.Length - Position) throw Bad($"the end of the file, which has {file.Length} bytes, inside {what}", "more bytes; it is cut short, fetch it again");
        var bytes = file.Bytes(Position, count);
        Position += count;
        return bytes;
    }
}
