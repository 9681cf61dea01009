using System.Globalization;
using System.Text;
using Gpt35.Tokenization;
using Spectre.Console;

namespace Gpt35.Cli.Terminal;

/// <summary>Tokens as people can read them.</summary>
internal static class TokenText
{
    /// <summary>A token's characters; what is a control or no whole UTF-8 character as \xNN; with line ends, \n is shown and then made.</summary>
    public static string Visible(ReadOnlySpan<byte> bytes, bool lineEnds = false)
    {
        var shown = new StringBuilder();
        while (!bytes.IsEmpty)
        {
            var whole = Rune.DecodeFromUtf8(bytes, out var rune, out var used) == System.Buffers.OperationStatus.Done;
            if (rune.Value == '\n') shown.Append(lineEnds ? "\\n\n" : "\\n");
            else if (!whole || Rune.IsControl(rune))
                foreach (var b in bytes[..used]) shown.Append(CultureInfo.InvariantCulture, $"\\x{b:X2}");
            else if (rune.Value is '"' or '\\' && !lineEnds) shown.Append('\\').Append(rune);
            else shown.Append(rune);
            bytes = bytes[used..];
        }
        return shown.ToString();
    }

    /// <summary>A token in quotes; by its id where the tokenizer has none of that id, as models with a padded vocabulary do.</summary>
    public static string Quoted(Tokenizer tokenizer, int id) => BytesOf(tokenizer, id) is { IsEmpty: false } bytes ? $"\"{Visible(bytes)}\"" : $"(id {id})";

    /// <summary>A token's bytes, those of a special one's name too; none where the tokenizer has none of that id.</summary>
    public static ReadOnlySpan<byte> BytesOf(Tokenizer tokenizer, int id) => tokenizer.HasToken(id) ? tokenizer.TokenBytes(id, includeSpecial: true) : [];

    /// <summary>Whether the session's output shows colours.</summary>
    public static bool IsColored(Session session) => session.Console.Profile.Capabilities is { Ansi: true, ColorSystem: not ColorSystem.NoColors };
}
