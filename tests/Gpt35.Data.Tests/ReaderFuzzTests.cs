using System.Text;
using CsCheck;

namespace Gpt35.Data.Tests;

/// <summary>Damaged files: rows, or one message that begins with the file; never another exception, a hang or memory without bound.</summary>
public sealed class ReaderFuzzTests : IDisposable
{
    /// <summary>What reading one small file may allocate at most, damaged or not.</summary>
    private const long AllocationLimit = 256L << 20;

    private static readonly string[] Rows =
    [
        """{"prompt":"Q \"1\"","completion":"A, 1","label":true,"text":"t","chosen":"a","rejected":"b","messages":[{"role":"user","content":"é😀"},{"role":"assistant","content":"b"}],"completions":["x","y"],"ranks":[1,2]}""",
        """{"prompt":"\n\nHuman: Q\n\nAssistant:","completion":"A\ud83d\ude00","label":0,"text":"t\u0000","chosen":"c","rejected":"d","messages":[{"role":"user","content":"c"},{"role":"assistant","content":"d"}],"completions":["x","y","z"],"ranks":[3,1,2.0]}""",
    ];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Names => ["f.jsonl", "f.json", "f.csv", "f.tsv", "f.txt", "f.parquet", "f.jsonl.gz", "f.csv.gz", "f.jsonl.zst", "f.tsv.zst"];

    [Theory, MemberData(nameof(Names))]
    public void Any_damage_gives_rows_or_one_message(string name)
    {
        var whole = File.ReadAllBytes(Write(name));
        Assert.True(ReadAll(folder.Path(name)) > 0);
        var damaged = Gen.Select(Gen.Int[0, 3], Gen.Int[0, whole.Length - 1], Gen.Byte.Array[1, 6], (kind, at, bytes) => Damage(whole, kind, at, bytes));
        damaged.Sample(content =>
        {
            var path = folder.Path(name);
            File.WriteAllBytes(path, content);
            ReadAll(path);
        }, iter: 200, threads: 1, print: content => Convert.ToBase64String(content));
    }

    [Theory, MemberData(nameof(Names))]
    public void Noise_gives_rows_or_one_message(string name) => Gen.Byte.Array[0, 300].Sample(content =>
    {
        var path = folder.Path(name);
        File.WriteAllBytes(path, content);
        ReadAll(path);
    }, iter: 100, threads: 1);

    [Theory, MemberData(nameof(Names))]
    public void A_file_cut_anywhere_gives_rows_or_one_message(string name)
    {
        var whole = File.ReadAllBytes(Write(name));
        for (var length = 0; length < whole.Length; length += 1 + whole.Length / 300)
        {
            var path = folder.Path(name);
            File.WriteAllBytes(path, whole[..length]);
            ReadAll(path);
            if (name.EndsWith(".gz", StringComparison.Ordinal) || name.EndsWith(".zst", StringComparison.Ordinal) || name.EndsWith(".parquet", StringComparison.Ordinal))
                Assert.ThrowsAny<InvalidDataException>(() => RecordReader.ReadText(path).Count());
        }
    }

    private string Write(string name) => Samples.Write(folder, name, Rows);

    private static byte[] Damage(byte[] whole, int kind, int at, byte[] bytes)
    {
        var copy = (byte[])whole.Clone();
        switch (kind)
        {
            case 0:
                copy[at] ^= (byte)(1 << (bytes[0] & 7));
                return copy;
            case 1:
                for (var i = 0; i < bytes.Length && at + i < copy.Length; i++) copy[at + i] = bytes[i];
                return copy;
            case 2:
                return [.. whole[..at], .. bytes, .. whole[at..]];
            default:
                return [.. whole[..at], .. whole[Math.Min(whole.Length, at + bytes.Length)..]];
        }
    }

    /// <summary>Reads the file as everything it could be.</summary>
    /// <returns>Records read.</returns>
    private static int ReadAll(string path)
    {
        Func<string, IEnumerable<object>>[] readers =
        [
            file => RecordReader.ReadText(file), file => RecordReader.ReadDemonstrations(file), file => RecordReader.ReadRankings(file),
            file => RecordReader.ReadUnpaired(file), file => RecordReader.ReadPrompts(file), file => [RecordReader.Recognize(file)],
        ];
        var before = GC.GetAllocatedBytesForCurrentThread();
        var records = 0;
        foreach (var read in readers)
        {
            try
            {
                records += read(path).Take(100_000).Count();
            }
            catch (InvalidDataException error)
            {
                Assert.StartsWith(path, error.Message);
                Assert.InRange(error.Message.Length, 1, 2000);
            }
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, AllocationLimit);
        return records;
    }
}
