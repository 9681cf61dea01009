using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;

namespace Gpt35.Tokenization.Tests;

/// <summary>
/// tiktoken's definition, slowly and by other means than ours: the pattern as .NET's regular expression over one character per code point, then
/// merges by recounting, with the ranks read out of SharpToken's file line by line.
/// </summary>
internal static class CodePointOracle
{
    private static readonly Dictionary<string, Dictionary<string, int>> Ranks = [];

    private const string Cl100k =
        @"'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>Whether a pattern over UTF-16 may see other words than one over code points.</summary>
    public static bool Explains(string text) => text.Contains("'ſ") || text.EnumerateRunes().Any(rune => !rune.IsBmp);

    /// <summary>Words in UTF-8. A character of the same kind stands in for each that .NET's pattern would not see.</summary>
    public static IEnumerable<byte[]> Words(string vocabulary, string text)
    {
        var runes = text.EnumerateRunes().ToArray();
        var basic = string.Concat(runes.Select(rune => rune.IsBmp ? rune.ToString() : Rune.IsLetter(rune) ? "ж" : Rune.IsNumber(rune) ? "٣" : "☃"));
        return Regex.Matches(basic, vocabulary == "cl100k_base" ? Cl100k : Gpt2)
            .Select(match => Encoding.UTF8.GetBytes(string.Concat(runes[match.Index..(match.Index + match.Length)])));
    }

    public static int[] Encode(string vocabulary, string text)
    {
        var ranks = RanksOf(vocabulary);
        return [.. Words(vocabulary, text).SelectMany(word => Merge(ranks, Encoding.Latin1.GetString(word)))];
    }

    private static IEnumerable<int> Merge(Dictionary<string, int> ranks, string word)
    {
        if (ranks.TryGetValue(word, out var whole)) return [whole];
        var parts = word.Select(value => value.ToString()).ToList();
        while (true)
        {
            var (rank, at) = Enumerable.Range(0, Math.Max(0, parts.Count - 1))
                .Select(i => (Rank: ranks.GetValueOrDefault(parts[i] + parts[i + 1], int.MaxValue), i)).DefaultIfEmpty((int.MaxValue, 0)).Min();
            if (rank == int.MaxValue) return parts.Select(part => ranks[part]);
            parts[at] += parts[at + 1];
            parts.RemoveAt(at + 1);
        }
    }

    private static Dictionary<string, int> RanksOf(string vocabulary)
    {
        lock (Ranks)
        {
            if (Ranks.TryGetValue(vocabulary, out var known)) return known;
            using var stream = typeof(SharpToken.GptEncoding).Assembly.GetManifestResourceStream($"SharpToken.data.{vocabulary.Replace("edit", "base")}.tiktoken")!;
            using var reader = new StreamReader(stream);
            return Ranks[vocabulary] = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
                .ToDictionary(row => Encoding.Latin1.GetString(Convert.FromBase64String(row[0])), row => int.Parse(row[1]));
        }
    }
}
