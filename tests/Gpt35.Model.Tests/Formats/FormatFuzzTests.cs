using System.Text;
using CsCheck;
using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>
/// Damaged files of every format: a message, never a crash, and never much more memory than the file has. A few seconds in the suite;
/// GPT35_FUZZ_MINUTES=10 ./test Fuzz runs it for ten minutes.
/// </summary>
public sealed class FormatFuzzTests : FormatTests
{
    /// <summary>Numbers that counts, lengths and offsets go wrong with.</summary>
    private static readonly ulong[] Wild = [0, 1, 3, 7, 8, 31, 32, 33, 127, 255, 256, 65535, 1UL << 31, (1UL << 31) - 1, (1UL << 32) - 1, 1UL << 32, 1UL << 40, 1UL << 62, (1UL << 63) - 1, 1UL << 63, ulong.MaxValue, ulong.MaxValue - 7];

    private static readonly string[] WildText = ["0", "-1", "1e999", "2147483648", "9223372036854775807", "null", "\"\"", "[]", "{}", "true", "[[[[[[", "\"\\ud800\"", "0.5", "\"x\":"];

    private static double Minutes => double.TryParse(Environment.GetEnvironmentVariable("GPT35_FUZZ_MINUTES"), System.Globalization.CultureInfo.InvariantCulture, out var minutes) ? minutes : 0;

    [Fact]
    public void Fuzz_safetensors() => Fuzz(File.ReadAllBytes(Path.Combine(SaveFolder(Llama), "model.safetensors")), "model", "model.safetensors", JsonAt(8, 2000));

    [Fact]
    public void Fuzz_config() => Fuzz(File.ReadAllBytes(Path.Combine(SaveFolder(Llama with { RopeScaling = new RopeScaling { RopeType = RopeType.Linear, Factor = 2 } }), "config.json")), "model", "config.json", JsonAt(0, 1000));

    [Fact]
    public void Fuzz_shard_index()
    {
        using var model = TestModels.Shaken(Llama);
        SaveFolder(Llama);
        File.Delete(At("model", "model.safetensors"));
        SafetensorsWriter.WriteFolder(At("model"), TensorNames.HuggingFace(model.Config), TensorType.F32, (parameter, values) => model.Parameters.ValuesOf(parameter).CopyTo(values), shardBytes: 60_000);
        Fuzz(File.ReadAllBytes(At("model", SafetensorsFile.IndexName)), "model", SafetensorsFile.IndexName, JsonAt(0, 2000));
    }

    [Fact]
    public void Fuzz_gguf()
    {
        Convert(SaveFolder(Llama), At("whole.gguf"), ModelFormat.Gguf, TensorType.Q8_0);
        var bytes = File.ReadAllBytes(At("whole.gguf"));
        using var file = GgufFile.Open(At("whole.gguf"));
        Fuzz(bytes, "", "m.gguf", Gen.Int[0, (int)(bytes.Length - file.Tensors.Values.Sum(tensor => tensor.Type.BytesOf(tensor.Count)))]);
    }

    [Fact]
    public void Fuzz_llama2c()
    {
        Llama2CTests.WriteModel(At("whole.bin"), [8, 12, 2, 2, 1, 300, 6], out _);
        Llama2CTests.WriteTokenizer(At("tok300.bin"));
        Fuzz(File.ReadAllBytes(At("whole.bin")), "", "m.bin", Gen.Int[0, 40]);
    }

    [Fact]
    public void Fuzz_llama2c_tokenizer()
    {
        Llama2CTests.WriteModel(At("m.bin"), [8, 12, 2, 2, 1, 300, 6], out _);
        Llama2CTests.WriteTokenizer(At("tok300.bin"));
        Fuzz(File.ReadAllBytes(At("tok300.bin")), "", "tok300.bin", Gen.Int[0, 4000], model: "m.bin");
    }

    private static Gen<int> JsonAt(int start, int length) => Gen.Int[start, start + length];

    /// <param name="whole">The file undamaged.</param>
    /// <param name="folder">Where it belongs.</param>
    /// <param name="name">Its name there.</param>
    /// <param name="interesting">Places where damage does most.</param>
    /// <param name="model">What is opened then: the folder where there is one, else this file.</param>
    private void Fuzz(byte[] whole, string folder, string name, Gen<int> interesting, string? model = null)
    {
        var seconds = Minutes * 60 / 6;
        // One thread: the file has one name.
        Gen.Select(Gen.OneOf(interesting, interesting, Gen.Int[0, whole.Length]), Gen.Int[0, 6], Gen.Int, Gen.Byte.Array[1, 6], interesting)
            .Array[1, 3].Sample(damages =>
            {
                var bytes = damages.Aggregate(whole, (found, damage) => Damage(found, damage.Item1, damage.Item2, damage.Item3, damage.Item4, damage.Item5));
                File.WriteAllBytes(At(folder, name), bytes);
                Survives(folder.Length > 0 ? At(folder) : At(model ?? name), bytes.Length);
            }, iter: seconds > 0 ? -1 : 250, time: seconds > 0 ? (int)seconds : -1, threads: 1);
    }

    private static byte[] Damage(byte[] bytes, int at, int kind, int which, byte[] noise, int other)
    {
        (at, other) = (Math.Min(at, bytes.Length), Math.Min(other, bytes.Length));
        which &= int.MaxValue;
        var wild = BitConverter.GetBytes(Wild[which % Wild.Length]);
        return kind switch
        {
            0 => [.. bytes[..at], .. noise, .. bytes[Math.Min(bytes.Length, at + noise.Length)..]],
            1 => bytes[..at],
            2 => [.. bytes[..at], .. wild, .. bytes[Math.Min(bytes.Length, at + 8)..]],
            3 => [.. bytes[..at], .. wild[..4], .. bytes[Math.Min(bytes.Length, at + 4)..]],
            4 => WithNumber(bytes, at, WildText[which % WildText.Length]),
            5 => [.. bytes[..at], .. bytes[Math.Min(at, other)..Math.Max(at, other)], .. bytes[at..]],
            _ => [.. bytes[..Math.Min(at, other)], .. bytes[Math.Max(at, other)..]],
        };
    }

    /// <summary>Puts text in place of the next run of digits.</summary>
    private static byte[] WithNumber(byte[] bytes, int at, string text)
    {
        while (at < bytes.Length && !char.IsAsciiDigit((char)bytes[at])) at++;
        var end = at;
        while (end < bytes.Length && char.IsAsciiDigit((char)bytes[end])) end++;
        return [.. bytes[..at], .. Encoding.UTF8.GetBytes(text), .. bytes[end..]];
    }

    private static void Survives(string path, int length)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using var stored = StoredModel.Open(path);
            using var loaded = stored.Load(WorkerPool.Shared);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            Assert.NotEmpty(e.Message);
        }
        // Names, JSON and messages cost a multiple of their bytes; what must not happen is a claim that is believed.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4_000_000 + 30L * length);
    }
}
