namespace Gpt35.Cli;

/// <summary>Command lines as a shell reads them.</summary>
internal static class ShellWords
{
    /// <summary>The word, in single quotes where a shell would otherwise take it apart.</summary>
    public static string Quote(string word) =>
        word.Length > 0 && word.All(c => char.IsLetterOrDigit(c) || "-_./=:,+@%".Contains(c)) ? word : $"'{word.Replace("'", "'\\''")}'";

    /// <summary>Words joined into lines of at most <paramref name="width"/> characters; an option stays with its value, and a longer piece gets its own line.</summary>
    public static IReadOnlyList<string> Wrap(IReadOnlyList<string> words, int width)
    {
        var lines = new List<string>();
        var line = "";
        for (var i = 0; i < words.Count; i++)
        {
            var piece = Quote(words[i]);
            if (piece.StartsWith("--") && i + 1 < words.Count && !words[i + 1].StartsWith("--")) piece += " " + Quote(words[++i]);
            if (line.Length > 0 && line.Length + 1 + piece.Length > width)
            {
                lines.Add(line);
                line = "";
            }
            line += line.Length == 0 ? piece : " " + piece;
        }
        lines.Add(line);
        return lines;
    }
}
