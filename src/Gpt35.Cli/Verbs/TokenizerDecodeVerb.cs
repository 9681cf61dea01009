using System.CommandLine;
using System.Text;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 tokenizer decode</c>: ids to the exact bytes they stand for, special tokens by name.</summary>
internal static class TokenizerDecodeVerb
{
    public static Command Create(Session session)
    {
        var input = new TokenizerInput("Ids", "--ids");
        var lines = new Option<bool>("--lines") { Description = "Decode every line on its own, and end it." };
        var command = new Command("decode", "Print the text of ids: numbers with spaces between them, or JSON arrays.") { lines };
        input.AddTo(command);
        command.SetAction(parsed =>
        {
            var tokenizer = input.Tokenizer(parsed);
            var (stream, name) = input.Open(parsed, session);
            using var output = session.OpenOutput();
            using (stream)
            {
                var number = 0;
                var whole = new List<int>();
                foreach (var line in TokenizerInput.ReadLines(stream))
                {
                    session.Cancel.ThrowIfCancellationRequested();
                    var ids = Parse(line.Span, $"{name}:{++number}");
                    if (!parsed.GetValue(lines)) whole.AddRange(ids);
                    else output.Write([.. Decode([.. ids], $"{name}:{number}"), (byte)'\n']);
                }
                output.Write(Decode([.. whole], name));
            }
            return ExitCode.Done;

            byte[] Decode(int[] ids, string where)
            {
                try
                {
                    return tokenizer.DecodeBytes(ids, includeSpecial: true);
                }
                catch (InvalidDataException e)
                {
                    throw new InvalidDataException($"{where}: {e.Message}", e);
                }
            }
        });
        return command;
    }

    private static List<int> Parse(ReadOnlySpan<byte> line, string where)
    {
        var ids = new List<int>();
        while (true)
        {
            line = line.TrimStart(" \t,[]"u8);
            if (line.IsEmpty) return ids;
            var end = line.IndexOfAny(" \t,[]"u8);
            var word = end < 0 ? line : line[..end];
            if (!int.TryParse(word, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var id))
                throw new InvalidDataException($"{where}: found '{Encoding.UTF8.GetString(word[..Math.Min(word.Length, 40)])}'; expected ids: numbers from 0 " +
                    "with spaces between them, or JSON arrays of them. 'gpt35 tokenizer encode' makes them.");
            ids.Add(id);
            line = line[word.Length..];
        }
    }
}
