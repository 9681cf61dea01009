using System.Text;
using System.Text.Json;

namespace Gpt35.Tokenization;

/// <summary>
/// GPT-2's own two files: <c>vocab.json</c>, tokens to ids, and <c>merges.txt</c>, one merge per line by rank after a line with the version. What is
/// in the vocabulary and is no byte, no merge and not spelled in the byte alphabet is a special token, as <c>&lt;|endoftext|&gt;</c>.
/// </summary>
internal static class Gpt2Files
{
    public const string VocabName = "vocab.json", MergesName = "merges.txt";

    /// <exception cref="FileNotFoundException">One of the two is missing.</exception>
    /// <exception cref="InvalidDataException">One of them is broken; the message names file, place and line.</exception>
    public static Vocabulary Read(string folder)
    {
        var (vocabFile, mergesFile) = (Path.Combine(folder, VocabName), Path.Combine(folder, MergesName));
        foreach (var (file, other) in new[] { (vocabFile, MergesName), (mergesFile, VocabName) })
            if (!File.Exists(file)) throw new FileNotFoundException($"{file}: no such file. Expected it beside {other}: the two belong together.", file);
        var merges = ReadMerges(mergesFile);
        return TokenizerJson.Guard(vocabFile, File.ReadAllBytes(vocabFile), root => new TokenizerJsonReader(vocabFile).ReadGpt2(root, merges, mergesFile));
    }

    private static List<(string Left, string Right, int Line)> ReadMerges(string file)
    {
        var merges = new List<(string, string, int)>();
        var strict = new UTF8Encoding(false, throwOnInvalidBytes: true);
        ReadOnlySpan<byte> rest = File.ReadAllBytes(file);
        for (var number = 1; !rest.IsEmpty; number++)
        {
            var end = rest.IndexOf((byte)'\n');
            var line = Decode(strict, (end < 0 ? rest : rest[..end]).TrimEnd((byte)'\r'), file, number);
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (line.Length == 0 || number == 1 && line.StartsWith("#version", StringComparison.Ordinal)) continue;
            if (line.Split(' ') is not [{ Length: > 0 } left, { Length: > 0 } right])
                throw new InvalidDataException($"{file}:{number}: found {JsonPlaces.Quote(line)}; expected two tokens and a space between them.");
            merges.Add((left, right, number));
        }
        return merges;
    }

    private static string Decode(UTF8Encoding strict, ReadOnlySpan<byte> line, string file, int number)
    {
        try
        {
            return strict.GetString(line);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"{file}:{number}: found bytes that are not UTF-8; expected text. Copy the file again.");
        }
    }
}
