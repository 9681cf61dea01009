using System.CommandLine;
using System.Globalization;
using System.Text;
using Gpt35.Data;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 tokenizer train|encode|decode|inspect</c>.</summary>
internal static class TokenizerVerb
{
    public static Command Create(Session session) =>
        new("tokenizer", "Train a byte-level BPE tokenizer, use it, look into it.") { Train(session), Encode(session), Decode(session), Inspect(session) };

    private static Command Train(Session session)
    {
        var files = new Argument<string[]>("file") { Description = "Text files: .txt, .jsonl or .json, also with .gz.", Arity = ArgumentArity.OneOrMore };
        var size = new Option<int>("--vocab-size") { Description = "Number of ids: 256 bytes, merges and special tokens.", Required = true };
        var output = new Option<string>("--out") { Description = "Folder that receives tokenizer.json.", Required = true };
        var command = new Command("train", "Learn a vocabulary from text and write tokenizer.json.") { files, size, output };
        command.SetAction(parsed =>
        {
            var folder = OutputFolder.RequireNew(parsed.GetRequiredValue(output), "tokenizer.json");
            var paths = parsed.GetRequiredValue(files);
            foreach (var path in paths) InputFile.Require(path, "a text file");
            var start = session.Time.GetTimestamp();
            var options = new BpeTrainerOptions { VocabSize = parsed.GetRequiredValue(size) };
            var tokenizer = BpeTrainer.Train(paths.SelectMany(path => RecordReader.ReadText(path)), options, session.Cancel);
            tokenizer.Save(folder);
            var seconds = session.Time.GetElapsedTime(start).TotalSeconds;
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture, $"{tokenizer.VocabSize} ids in {Path.Combine(folder, "tokenizer.json")} ({seconds:F1} s)"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Encode(Session session)
    {
        var (tokenizer, text) = (TokenizerArgument(), new Argument<string>("text") { Description = "The text to encode." });
        var command = new Command("encode", "Print the ids of a text.") { tokenizer, text };
        command.SetAction(parsed =>
        {
            var ids = Tokenizer.Load(parsed.GetRequiredValue(tokenizer)).Encode(parsed.GetRequiredValue(text));
            session.Out.WriteLine(string.Join(' ', ids.Select(id => id.ToString(CultureInfo.InvariantCulture))));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Decode(Session session)
    {
        var tokenizer = TokenizerArgument();
        var ids = new Argument<int[]>("id") { Description = "The ids to decode.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("decode", "Print the text of ids.") { tokenizer, ids };
        command.SetAction(parsed =>
        {
            session.Out.WriteLine(Tokenizer.Load(parsed.GetRequiredValue(tokenizer)).Decode(parsed.GetRequiredValue(ids), includeSpecial: true));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Inspect(Session session)
    {
        var tokenizer = TokenizerArgument();
        var text = new Argument<string?>("text") { Description = "A text to show token by token.", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("inspect", "Show a vocabulary, or how it cuts a text.") { tokenizer, text };
        command.SetAction(parsed =>
        {
            var loaded = Tokenizer.Load(parsed.GetRequiredValue(tokenizer));
            if (parsed.GetValue(text) is { } given) ShowTokens(session, loaded, given);
            else ShowVocabulary(session, loaded);
            return ExitCode.Done;
        });
        return command;
    }

    private static void ShowTokens(Session session, Tokenizer tokenizer, string text)
    {
        var ids = tokenizer.Encode(text);
        foreach (var id in ids)
            session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{id,8}  {Visible(tokenizer.TokenBytes(id))}"));
        var bytes = Encoding.UTF8.GetByteCount(text);
        session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{bytes} bytes, {ids.Length} tokens, {(double)bytes / Math.Max(1, ids.Length):F2} bytes per token"));
    }

    private static void ShowVocabulary(Session session, Tokenizer tokenizer)
    {
        session.Out.WriteLine($"{tokenizer.VocabSize} ids, byte-level BPE");
        foreach (var (name, id) in tokenizer.SpecialTokens.OrderBy(special => special.Value)) session.Out.WriteLine($"{id,8}  {name}  (special)");
        var specialIds = tokenizer.SpecialTokens.Values.ToHashSet();
        session.Out.WriteLine("Longest tokens:");
        foreach (var id in Enumerable.Range(0, tokenizer.VocabSize).Where(id => !specialIds.Contains(id))
                     .OrderByDescending(id => tokenizer.TokenBytes(id).Length).ThenBy(id => id).Take(12))
            session.Out.WriteLine($"{id,8}  {Visible(tokenizer.TokenBytes(id))}");
    }

    /// <summary>A token's bytes in quotes; what is not printable ASCII or part of a whole UTF-8 character as \xNN.</summary>
    private static string Visible(ReadOnlySpan<byte> bytes)
    {
        var shown = new StringBuilder("\"");
        while (!bytes.IsEmpty)
        {
            var whole = Rune.DecodeFromUtf8(bytes, out var rune, out var used) == System.Buffers.OperationStatus.Done;
            if (!whole || Rune.IsControl(rune))
                foreach (var b in bytes[..used]) shown.Append(CultureInfo.InvariantCulture, $"\\x{b:X2}");
            else if (rune.Value is '"' or '\\') shown.Append('\\').Append(rune);
            else shown.Append(rune);
            bytes = bytes[used..];
        }
        return shown.Append('"').ToString();
    }

    private static Argument<string> TokenizerArgument() => new("tokenizer") { Description = "tokenizer.json, or a folder that holds one." };
}
