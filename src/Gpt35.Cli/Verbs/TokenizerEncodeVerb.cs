using System.CommandLine;
using System.Globalization;
using System.Text;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 tokenizer encode</c>: text to ids.</summary>
internal static class TokenizerEncodeVerb
{
    public static Command Create(Session session)
    {
        var input = new TokenizerInput("Text", "--text");
        var json = new Option<bool>("--json") { Description = "Print JSON arrays." };
        var lines = new Option<bool>("--lines") { Description = "Encode every line on its own, without its end." };
        var specials = SpecialOption();
        var command = new Command("encode", "Print the ids of a text.") { json, lines, specials };
        input.AddTo(command);
        command.SetAction(parsed =>
        {
            var handling = SpecialsOf(parsed, specials);
            var tokenizer = input.Tokenizer(parsed);
            var (stream, name) = input.Open(parsed, session);
            using (stream)
            {
                var number = 0;
                if (!parsed.GetValue(lines)) Print(TokenizerInput.ReadAll(stream), name);
                else foreach (var line in TokenizerInput.ReadLines(stream)) Print(line, $"{name}:{++number}");
            }
            return ExitCode.Done;

            void Print(ReadOnlyMemory<byte> text, string where)
            {
                session.Cancel.ThrowIfCancellationRequested();
                session.Out.WriteLine(Format(Encode(tokenizer, text, handling, where), parsed.GetValue(json)));
            }
        });
        return command;
    }

    public static Option<string> SpecialOption() => new Option<string>("--special")
    {
        Description = "Where the text spells a special token: refuse (an error), allow (it becomes the token), text (it is text).",
    }.WithDefault("refuse").OneOf("refuse", "allow", "text");

    public static SpecialTokenHandling SpecialsOf(ParseResult parsed, Option<string> option) => parsed.GetValue(option) switch
    {
        "allow" => SpecialTokenHandling.Allow,
        "text" => SpecialTokenHandling.AsText,
        _ => SpecialTokenHandling.Refuse,
    };

    /// <exception cref="InvalidDataException">The text spells a special token; the message says where.</exception>
    public static int[] Encode(Tokenizer tokenizer, ReadOnlyMemory<byte> text, SpecialTokenHandling specials, string where)
    {
        try
        {
            return specials == SpecialTokenHandling.AsText ? tokenizer.EncodeParallel(text) : tokenizer.EncodeBytes(text.Span, specials);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{where}: {e.Message}", e);
        }
    }

    private static StringBuilder Format(int[] ids, bool json)
    {
        var text = new StringBuilder(7 * ids.Length + 2);
        if (json) text.Append('[');
        foreach (var id in ids) text.Append(CultureInfo.InvariantCulture, $"{id}{(json ? ',' : ' ')}");
        if (ids.Length > 0) text.Length--;
        return json ? text.Append(']') : text;
    }
}
