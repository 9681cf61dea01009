using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Gpt35.Tokenization;

namespace Gpt35.Benchmarks;

/// <summary>30,000 tokens from 100 MB, ours and Hugging Face tokenizers, each in a process of its own on all cores.</summary>
internal static class TrainBenchmark
{
    private const int Megabytes = 100, VocabSize = 30_000, Rounds = 2, BlockChars = 1 << 20;
    private const string Peer = "Hugging Face tokenizers (npm @anush008/tokenizers)";

    public static IEnumerable<Row> Rows(BenchTexts texts)
    {
        var file = texts.WriteTrainingFile(Megabytes);
        try
        {
            PeerProcesses.Result? ours = null, peer = null;
            for (var round = 0; round < Rounds; round++)
            {
                ours = Better(ours, PeerProcesses.RunSelf<PeerProcesses.Result>("train-tokenizer", file));
                if (PeerProcesses.RunNode<PeerProcesses.Result>("hf-train.mjs", file) is not { } result) break;
                peer = Better(peer, result);
            }
            var what = string.Create(CultureInfo.InvariantCulture, $"train {ours!.Tokens:N0} on {Megabytes} MB ({texts.Name})");
            if (peer is null)
            {
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: ours {ours.Seconds:F1} s, {ours.Megabytes:F0} MB; no peer"));
                yield break;
            }
            yield return Row.LessIsBetter(what, ours.Seconds, peer.Seconds, Peer, "s");
            yield return Row.LessIsBetter("the same, most memory", ours.Megabytes, peer.Megabytes, Peer, "MB");
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Trains on a file and prints seconds, peak memory and size, as the peer's script does.</summary>
    public static void TrainOurs(string file)
    {
        var start = Stopwatch.GetTimestamp();
        // The peer's trainer has no minimum frequency and no special tokens by default.
        var options = new BpeTrainerOptions { VocabSize = VocabSize, MinFrequency = 1, SpecialTokens = [] };
        var tokenizer = BpeTrainer.Train(Blocks(file), options);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        using var process = Process.GetCurrentProcess();
        Console.WriteLine(JsonSerializer.Serialize(new { seconds, megabytes = process.PeakWorkingSet64 / 1048576.0, tokens = tokenizer.VocabSize }));
    }

    private static PeerProcesses.Result Better(PeerProcesses.Result? a, PeerProcesses.Result b) => a is null || b.Seconds < a.Seconds ? b : a;

    /// <summary>The file in pieces of about a million characters that end with a line.</summary>
    private static IEnumerable<string> Blocks(string file)
    {
        using var reader = new StreamReader(file, new UTF8Encoding(false), false, 1 << 16);
        var buffer = new char[BlockChars];
        var kept = 0;
        while (reader.ReadBlock(buffer, kept, buffer.Length - kept) is var read and > 0)
        {
            var end = kept + read;
            var cut = Array.LastIndexOf(buffer, '\n', end - 1, end) + 1;
            if (cut == 0) cut = end;
            yield return new string(buffer, 0, cut);
            kept = end - cut;
            Array.Copy(buffer, cut, buffer, 0, kept);
        }
        if (kept > 0) yield return new string(buffer, 0, kept);
    }
}
