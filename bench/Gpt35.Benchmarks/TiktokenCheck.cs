using System.Text.Json;
using Gpt35.Tokenization;
using Gpt35.Tokenization.Tests;

namespace Gpt35.Benchmarks;

/// <summary>Ours against tiktoken itself, which no .NET library is: random strings from all of Unicode, well-formed.</summary>
internal static class TiktokenCheck
{
    private const int Strings = 100_000;
    private static readonly string[] Names = ["r50k_base", "p50k_base", "cl100k_base"];

    /// <returns>0 where all ids are the same, 1 where some differ, 2 where tiktoken cannot be run.</returns>
    public static int Run()
    {
        var file = Path.Combine(Path.GetTempPath(), $"gpt35-check-{Environment.ProcessId}.jsonl");
        var random = new Random(20261123);
        try
        {
            using (var writer = new StreamWriter(file))
            {
                for (var i = 0; i < Strings; i++)
                {
                    var text = string.Concat(RandomText.Next(random).EnumerateRunes());
                    writer.WriteLine(JsonSerializer.Serialize(new { text, ids = Names.ToDictionary(name => name, name => Tokenizer.Load(name).Encode(text)) }));
                }
            }
            return PeerProcesses.RunNode<Outcome>("tiktoken-check.mjs", file) is not { } outcome ? 2 : Report(outcome);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static int Report(Outcome outcome)
    {
        Console.WriteLine($"{outcome.Compared:N0} encodings compared with tiktoken's, {outcome.Different:N0} different");
        foreach (var example in outcome.Examples) Console.WriteLine(example);
        return outcome.Different == 0 ? 0 : 1;
    }

    private sealed record Outcome(int Compared, int Different, string[] Examples);
}
