using System.IO.Compression;
using System.Text;

namespace Gpt35.Benchmarks;

/// <summary>The texts that are measured on: real ones where the machine has them, made-up ones otherwise; the row says which.</summary>
internal sealed class BenchTexts
{
    private const int Megabyte = 1_000_000;

    private BenchTexts(string name, string text) => (Name, Text) = (name, text);

    public string Name { get; }

    public string Text { get; }

    public static BenchTexts Load(string? folder)
    {
        folder ??= FindShared();
        if (folder is null) return new BenchTexts("made-up words", MakeUp(8 * Megabyte));
        var files = Directory.GetFiles(folder).Where(file => file.EndsWith(".txt") || file.EndsWith(".gz")).Order(StringComparer.Ordinal).ToList();
        return files.Count > 0
            ? new BenchTexts("real text", string.Concat(files.Select(Read)))
            : throw new FileNotFoundException($"{folder} holds no text. Expected .txt or .gz files.");
    }

    /// <summary>
    /// A file of <paramref name="megabytes"/> MB to train on: paragraphs of the text in random order, again and again, with one word in thirty replaced by a new
    /// one made of two halves of others, so that new words keep coming as in real text of that size. The same bytes on every machine with the same text.
    /// </summary>
    public string WriteTrainingFile(int megabytes)
    {
        var path = Path.Combine(Path.GetTempPath(), $"gpt35-bench-{Environment.ProcessId}.txt");
        var random = new Random(35);
        var lines = Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var vocabulary = lines.SelectMany(line => line.Split(' ')).Where(word => word.Length > 3 && word.All(char.IsAsciiLetter)).Distinct(StringComparer.Ordinal).ToArray();
        using var writer = new StreamWriter(path, append: false, new UTF8Encoding(false), 1 << 16);
        for (long written = 0; written < megabytes * (long)Megabyte;)
        {
            var words = lines[random.Next(lines.Length)].Split(' ');
            for (var i = 0; i < words.Length; i++)
            {
                if (random.Next(30) > 0) continue;
                var (head, tail) = (vocabulary[random.Next(vocabulary.Length)], vocabulary[random.Next(vocabulary.Length)]);
                words[i] = string.Concat(head.AsSpan(0, (head.Length + 1) / 2), tail.AsSpan(tail.Length / 2));
            }
            var line = string.Join(' ', words);
            writer.Write(line);
            writer.Write('\n');
            written += Encoding.UTF8.GetByteCount(line) + 1;
        }
        return path;
    }

    private static string? FindShared()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "shared", "data", "text");
            if (Directory.Exists(path)) return path;
        }
        return null;
    }

    private static string Read(string file)
    {
        using var stream = File.OpenRead(file);
        using var reader = new StreamReader(file.EndsWith(".gz") ? new GZipStream(stream, CompressionMode.Decompress) : stream);
        return reader.ReadToEnd();
    }

    /// <summary>Sentences of words of one to four syllables; the word of rank r comes up with probability ∝ 1/r.</summary>
    private static string MakeUp(int bytes)
    {
        string[] syllables = ["ba", "con", "der", "es", "fi", "ger", "hal", "in", "jo", "kan", "lor", "men", "no", "ous", "per", "qui", "ra", "st", "ti", "un", "ver", "wa", "xy", "yl", "zon"];
        var random = new Random(35);
        var words = Enumerable.Range(0, 60_000).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 5)).Select(_ => syllables[random.Next(syllables.Length)]))).ToArray();
        var text = new StringBuilder(bytes + 100);
        while (text.Length < bytes)
        {
            for (var count = random.Next(4, 20); count > 0; count--)
                text.Append(words[(int)(Math.Pow(words.Length, random.NextDouble()) - 1)]).Append(count > 1 ? ' ' : '.');
            text.Append(random.Next(5) == 0 ? '\n' : ' ');
        }
        return text.ToString();
    }
}
