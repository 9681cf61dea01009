using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gpt35.Inference;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Terminal;

/// <summary>A completion's tokens with their log-probabilities: a table for people, lines of JSON for programs.</summary>
internal static class LogProbReport
{
    private const int WidestToken = 20, NumberWidth = 8;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <param name="Id">Of the token.</param>
    /// <param name="Token">Its text; U+FFFD where it is no whole character.</param>
    /// <param name="Bytes">Its bytes.</param>
    /// <param name="Logprob">log p, in nats.</param>
    private sealed record Entry(int Id, string Token, int[] Bytes, float Logprob);

    private sealed record TokenLine(int Index, int Id, string Token, int[] Bytes, float Logprob, Entry[] Top);

    private sealed record TextLine(int Index, string Text, string Finish, int Tokens);

    /// <summary>One line for each token, the likeliest tokens of its place beside it.</summary>
    public static void WriteTable(Session session, TokenLogProbs report, int[] tokens, Tokenizer tokenizer)
    {
        string[] names = [.. tokens.Select(token => TokenText.Quoted(tokenizer, token))];
        var width = Math.Min(WidestToken, names.Append("token").Max(name => name.Length));
        var margin = width + 1 + NumberWidth;
        var likeliest = report.Top.Any(top => top.Length > 0);
        session.Out.WriteLine($"{"token".PadRight(width)} {"log p",NumberWidth}{(likeliest ? "  likeliest" : "")}");
        foreach (var (place, name) in names.Index())
        {
            var line = new StringBuilder(name.PadRight(width)).Append(' ').Append(Number(report.Chosen[place]).PadLeft(NumberWidth));
            var column = line.Length;
            foreach (var one in report.Top[place])
            {
                var entry = $"  {TokenText.Quoted(tokenizer, one.Token)} {Number(one.LogProb)}";
                if (column + entry.Length > session.Width && column > margin)
                {
                    line.AppendLine().Append(' ', margin);
                    column = margin;
                }
                line.Append(entry);
                column += entry.Length;
            }
            session.Out.WriteLine(line);
        }
    }

    /// <summary>One line for each token, where they were asked for, and one for the whole text.</summary>
    public static void WriteJson(Session session, int index, string text, Completion completion, Tokenizer tokenizer)
    {
        if (completion.TokenLogProbs is { } report)
            foreach (var (place, token) in completion.Tokens.Index())
            {
                var (_, name, bytes, logProb) = Of(new TokenLogProb(token, report.Chosen[place]), tokenizer);
                Write(session, new TokenLine(index, token, name, bytes, logProb, [.. report.Top[place].Select(one => Of(one, tokenizer))]));
            }
        Write(session, new TextLine(index, text, completion.Finish.ToString().ToLowerInvariant(), completion.Tokens.Length));
    }

    private static Entry Of(TokenLogProb one, Tokenizer tokenizer)
    {
        var bytes = TokenText.BytesOf(tokenizer, one.Token);
        return new Entry(one.Token, Encoding.UTF8.GetString(bytes), [.. bytes], one.LogProb);
    }

    private static void Write<T>(Session session, T line) => session.Out.WriteLine(JsonSerializer.Serialize(line, Json));

    private static string Number(float value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}
