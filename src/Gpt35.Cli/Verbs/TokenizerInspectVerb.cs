using System.CommandLine;
using System.Globalization;
using System.Text;
using Gpt35.Cli.Terminal;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 tokenizer inspect</c>: how a text is cut into tokens, or what a vocabulary holds.</summary>
internal static class TokenizerInspectVerb
{
    /// <summary>More tokens than this are counted, not shown.</summary>
    private const int MostShown = 2000;

    /// <summary>Backgrounds that take turns, of the 256 colours of a terminal; black letters stay readable on each.</summary>
    private static readonly int[] Colors = [159, 229, 183, 157, 223];

    public static Command Create(Session session)
    {
        var input = new TokenizerInput("Text", "--text");
        var ids = new Option<bool>("--ids") { Description = "Show one token per line, with its id." };
        var specials = TokenizerEncodeVerb.SpecialOption();
        var command = new Command("inspect", "Show where a text is cut into tokens; without a text, the vocabulary.") { ids, specials };
        input.AddTo(command);
        command.SetAction(parsed =>
        {
            var tokenizer = input.Tokenizer(parsed);
            if (!input.IsGiven(parsed))
            {
                ShowVocabulary(session, tokenizer);
                return ExitCode.Done;
            }
            var (stream, name) = input.Open(parsed, session);
            using (stream)
            {
                var text = TokenizerInput.ReadAll(stream);
                var tokens = TokenizerEncodeVerb.Encode(tokenizer, text, TokenizerEncodeVerb.SpecialsOf(parsed, specials), name);
                if (parsed.GetValue(ids)) ShowIds(session, tokenizer, tokens);
                else ShowBorders(session, tokenizer, tokens);
                ShowRatio(session, text, tokens.Length);
            }
            return ExitCode.Done;
        });
        return command;
    }

    private static void ShowBorders(Session session, Tokenizer tokenizer, int[] ids)
    {
        var colored = TokenText.IsColored(session);
        var shown = new StringBuilder();
        foreach (var (at, id) in ids.Take(MostShown).Index())
        {
            var token = TokenText.Visible(tokenizer.TokenBytes(id, includeSpecial: true), lineEnds: true);
            // A colour must not run on to the end of the terminal's line.
            if (colored) shown.Append($"\e[30;48;5;{Colors[at % Colors.Length]}m").Append(token.Replace("\n", "\e[0m\n")).Append("\e[0m");
            else shown.Append(token).Append(at + 1 < ids.Length ? "|" : "");
        }
        session.Out.WriteLine(shown);
        SayRest(session, ids.Length);
    }

    private static void ShowIds(Session session, Tokenizer tokenizer, int[] ids)
    {
        foreach (var id in ids.Take(MostShown)) session.Out.WriteLine(Row(id, $"\"{TokenText.Visible(tokenizer.TokenBytes(id, includeSpecial: true))}\""));
        SayRest(session, ids.Length);
    }

    private static void SayRest(Session session, int count)
    {
        if (count > MostShown) session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"… and {count - MostShown:N0} tokens more"));
    }

    private static void ShowRatio(Session session, byte[] text, int tokens) => session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{text.Length:N0} bytes, {Encoding.UTF8.GetCharCount(text):N0} characters, {tokens:N0} tokens, {(double)text.Length / Math.Max(1, tokens):F2} bytes per token"));

    private static void ShowVocabulary(Session session, Tokenizer tokenizer)
    {
        session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tokenizer.VocabSize} ids"));
        var specialIds = tokenizer.SpecialTokens.Values.ToHashSet();
        foreach (var (name, id) in tokenizer.SpecialTokens.OrderBy(special => special.Value)) session.Out.WriteLine(Row(id, $"{name}  (special)"));
        session.Out.WriteLine("Longest tokens:");
        var ordinary = Enumerable.Range(0, tokenizer.VocabSize).Where(id => !specialIds.Contains(id) && tokenizer.HasToken(id));
        foreach (var id in ordinary.OrderByDescending(id => tokenizer.TokenBytes(id).Length).ThenBy(id => id).Take(12))
            session.Out.WriteLine(Row(id, $"\"{TokenText.Visible(tokenizer.TokenBytes(id))}\""));
    }

    private static string Row(int id, string text) => string.Create(CultureInfo.InvariantCulture, $"{id,8}  {text}");
}
