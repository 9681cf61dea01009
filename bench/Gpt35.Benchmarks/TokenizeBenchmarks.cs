using System.Text;
using Gpt35.Tokenization;
using Microsoft.ML.Tokenizers;
using SharpToken;
using Tokenizer = Gpt35.Tokenization.Tokenizer;

namespace Gpt35.Benchmarks;

/// <summary>
/// Encoding, decoding and training beside the libraries people use, in the same process on the same text. Every round has new tokenizers, so what ours
/// and theirs remember of words is part of the time.
/// </summary>
internal static class TokenizeBenchmarks
{
    private const string Microsoft = "Microsoft.ML.Tokenizers", Sharp = "SharpToken", Cl100k = "cl100k_base";
    private const int Long = 5_000_000;

    private static readonly HashSet<string> None = [];

    public static int Run(Options options)
    {
        var texts = BenchTexts.Load(options.TextFolder);
        var bytes = Encoding.UTF8.GetBytes(texts.Text);
        Console.Error.WriteLine($"{bytes.Length / 1e6:F1} MB of {texts.Name}; {Environment.ProcessorCount} cores; least of 5 rounds");
        if (!options.Json) Row.PrintHeader();
        WarmUp(texts.Text[..Math.Min(texts.Text.Length, 200_000)]);
        foreach (var row in Encode(texts.Text, bytes).Concat(Threads(texts.Text, bytes)).Concat(LongWords(bytes)).Concat(Decoding(texts.Text, bytes)))
            row.Print(options.Json);
        if (options.Quick) return 0;
        foreach (var row in PeerProcesses.Tiktoken(texts.Text).Concat(TrainBenchmark.Rows(texts))) row.Print(options.Json);
        return 0;
    }

    private static Tokenizer New(string name) => new(Tokenizer.Load(name).Vocabulary);

    private static double Rate(ReadOnlySpan<byte> bytes, double seconds) => bytes.Length / seconds / 1e6;

    private static void WarmUp(string text)
    {
        for (var i = 0; i < 10; i++)
        {
            foreach (var name in KnownVocabularies.Names) New(name).Decode(New(name).Encode(text));
            TiktokenTokenizer.CreateForEncoding(Cl100k).EncodeToIds(text);
            GptEncoding.GetEncoding(Cl100k).Encode(text, None, None);
        }
    }

    private static IEnumerable<Row> Encode(string text, byte[] bytes)
    {
        var cl100k = Measure.Seconds(Ours(Cl100k, text), MicrosoftEncoder(text), SharpEncoder(Cl100k, text));
        yield return Row.MoreIsBetter("encode cl100k_base, one thread", Rate(bytes, cl100k[0]), Rate(bytes, cl100k[1]), Microsoft, "MB/s");
        yield return Row.MoreIsBetter("encode cl100k_base, one thread", Rate(bytes, cl100k[0]), Rate(bytes, cl100k[2]), Sharp, "MB/s");
        foreach (var name in (string[])["r50k_base", "p50k_base"])
        {
            var seconds = Measure.Seconds(Ours(name, text), SharpEncoder(name, text));
            yield return Row.MoreIsBetter($"encode {name}, one thread", Rate(bytes, seconds[0]), Rate(bytes, seconds[1]), Sharp, "MB/s");
        }
    }

    private static IEnumerable<Row> Threads(string text, byte[] bytes)
    {
        var one = Measure.Seconds(
            () => { var tokenizer = New(Cl100k); return () => tokenizer.EncodeBytes(bytes); },
            () => { var tokenizer = New(Cl100k); return () => tokenizer.EncodeParallel(bytes, threads: 2); });
        yield return Row.MoreIsBetter("encode one text, two threads", Rate(bytes, one[1]), Rate(bytes, one[0]), "ours, one thread", "MB/s");

        var lines = text.Split('\n');
        var batch = Measure.Seconds(
            () => { var tokenizer = New(Cl100k); return () => tokenizer.EncodeBatch(lines, threads: 1); },
            () => { var tokenizer = New(Cl100k); return () => tokenizer.EncodeBatch(lines, threads: 2); },
            () => { var tokenizer = TiktokenTokenizer.CreateForEncoding(Cl100k); return () => { foreach (var line in lines) tokenizer.EncodeToIds(line); }; });
        yield return Row.MoreIsBetter($"batch of {lines.Length:N0} lines, 2 threads", Rate(bytes, batch[1]), Rate(bytes, batch[0]), "ours, one thread", "MB/s");
        yield return Row.MoreIsBetter("the same, one thread", Rate(bytes, batch[0]), Rate(bytes, batch[2]), Microsoft, "MB/s");
    }

    /// <summary>Words that no blank ends. A ratio of 1 is the speed of English, and 0.33 a third of it.</summary>
    private static IEnumerable<Row> LongWords(byte[] english)
    {
        var random = new byte[Long];
        new Random(35).NextBytes(random);
        var letters = Array.ConvertAll(random, value => (byte)('a' + value % 26));
        var same = new byte[Long];
        Array.Fill(same, (byte)'a');
        Func<Action> Of(byte[] text) => () => { var tokenizer = New(Cl100k); return () => tokenizer.EncodeBytes(text); };
        var seconds = Measure.Seconds(Of(english), Of(same), Of(random), Of(letters));
        var perByte = seconds[0] / english.Length * 1e9;
        foreach (var (what, time) in new[] { ("one letter, 5 MB", seconds[1]), ("random bytes, 5 MB", seconds[2]), ("random letters, 5 MB", seconds[3]) })
            yield return Row.LessIsBetter(what, time / Long * 1e9, perByte, "ours, English", "ns/byte");
    }

    private static IEnumerable<Row> Decoding(string text, byte[] bytes)
    {
        var ids = New(Cl100k).Encode(text);
        var list = ids.ToList();
        var seconds = Measure.Seconds(
            () => { var tokenizer = New(Cl100k); return () => tokenizer.Decode(ids); },
            () => { var tokenizer = TiktokenTokenizer.CreateForEncoding(Cl100k); return () => tokenizer.Decode(ids); },
            () => { var tokenizer = GptEncoding.GetEncoding(Cl100k); return () => tokenizer.Decode(list); });
        yield return Row.MoreIsBetter("decode cl100k_base", Rate(bytes, seconds[0]), Rate(bytes, seconds[1]), Microsoft, "MB/s");
        yield return Row.MoreIsBetter("decode cl100k_base", Rate(bytes, seconds[0]), Rate(bytes, seconds[2]), Sharp, "MB/s");
    }

    private static Func<Action> Ours(string name, string text) => () =>
    {
        var tokenizer = New(name);
        return () => tokenizer.Encode(text);
    };

    private static Func<Action> MicrosoftEncoder(string text) => () =>
    {
        var tokenizer = TiktokenTokenizer.CreateForEncoding(Cl100k);
        return () => tokenizer.EncodeToIds(text);
    };

    private static Func<Action> SharpEncoder(string name, string text) => () =>
    {
        var encoding = GptEncoding.GetEncoding(name);
        return () => encoding.Encode(text, None, None);
    };
}
