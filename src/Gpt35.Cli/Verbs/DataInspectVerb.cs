using System.CommandLine;
using System.Globalization;
using Gpt35.Cli.Terminal;
using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 data inspect FILE</c>: what a data file holds and what is wrong with it; with --fix, a copy without that.</summary>
internal static class DataInspectVerb
{
    private const string DefaultTokenizer = "cl100k_base";

    public static Command Create(Session session)
    {
        var file = new Argument<string>("file") { Description = "Data file in any format that can be read." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = $"What counts tokens: a tokenizer.json, the folder that holds one, or a vocabulary by name. Default: {DefaultTokenizer}." };
        var model = new Option<string?>("--model") { Description = "Model folder whose tokenizer, chat format and context to use." };
        var format = new Option<string?>("--format") { Description = "Chat format: a name or a YAML file. Default: the model's, else chatml, else instruct where the tokenizer has no chat tokens." };
        var context = new Option<int?>("--context") { Description = "Most tokens of a row; longer ones are reported. Default: the model's." }.AtLeast(1);
        var against = new Option<string[]>("--against") { Description = "Test files; rows that share a run of words with one are contaminated.", AllowMultipleArgumentsPerToken = true };
        var words = new Option<int>("--test-words") { Description = "Length of such a run." }.AtLeast(1).WithDefault(Decontamination.DefaultWords);
        var near = new Option<double>("--near")
        {
            Description = "Jaccard index from which two rows are nearly the same, question and answers each; 0 does not look.",
        }.Between(0.0, 1.0).WithDefault(new NearDuplicateOptions().Threshold);
        var nearWords = new Option<int>("--near-words") { Description = "Likeness is measured on runs of so many words." }.AtLeast(1).WithDefault(5);
        var nearCharacters = new Option<int?>("--near-characters") { Description = "Likeness is measured on runs of so many characters instead." }.AtLeast(1);
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var fix = new Option<string?>("--fix") { Description = "Write a copy without the rows that are no use. Default name: FILE.clean.jsonl.", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("inspect", "Show what a data file holds, what is wrong with it, and a row as training sees it.")
        {
            file, tokenizer, model, format, context, against, words, near, nearWords, nearCharacters, json, fix,
        };
        command.SetAction(parsed =>
        {
            var path = parsed.GetRequiredValue(file);
            var copy = parsed.GetResult(fix) is null ? null : OutputFile.RequireNewRows(parsed.GetValue(fix) ?? CleanName(path));
            var kind = RecordReader.Recognize(path);
            var view = View.Of(parsed.GetValue(tokenizer), parsed.GetValue(model), parsed.GetValue(format));
            var (threshold, threads) = (parsed.GetValue(near), parsed.GetValue<int>(CommandLine.Threads));
            var shingles = parsed.GetValue(nearCharacters) is { } characters ? new Shingling(characters, Characters: true) : new Shingling(parsed.GetValue(nearWords));
            var tests = TestsOf(parsed.GetValue(against) ?? [], parsed.GetValue(words));
            Inspection found;
            try
            {
                found = Inspector.Run(path, new InspectionOptions
                {
                    Tokenizer = view.Tokenizer,
                    Format = view.Format,
                    Context = parsed.GetValue(context) ?? view.Context,
                    NearDuplicates = threshold > 0 ? new NearDuplicateOptions { Threshold = threshold, Shingles = shingles, Threads = threads } : null,
                    Tests = tests,
                    Threads = threads,
                }, session.Cancel);
                if (copy is not null) WriteClean(found, copy, session);
            }
            catch (OperationCanceledException) when (copy is not null)
            {
                throw new StoppedException($"Stopped; {copy} was not written. The same command begins anew.");
            }
            if (parsed.GetValue(json)) session.Out.WriteLine(InspectionReport.Json(found, view.Tokenizer, tests, copy));
            else InspectionReport.Write(session, found, view.Tokenizer, kind == RecordKind.Text ? view.Name : $"{view.Name}, chat format {view.Format.Name}", tests, copy);
            return ExitCode.Done;
        });
        return command;
    }

    private static string CleanName(string path)
    {
        var name = Path.GetFileName(path);
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        return Path.Combine(Path.GetDirectoryName(path) ?? "", $"{(dot > 0 ? name[..dot] : name)}.clean.jsonl");
    }

    private static Decontamination? TestsOf(string[] files, int words)
    {
        if (files.Length == 0) return null;
        var tests = new Decontamination(words, Math.Min(words, Decontamination.DefaultShortest));
        foreach (var test in files) tests.AddFile(test);
        return tests;
    }

    private static void WriteClean(Inspection found, string copy, Session session)
    {
        if (found.Kept == 0) throw new InvalidDataException($"{found.File}: none of the {found.Rows} rows is of use, so {copy} was not written. 'gpt35 data inspect {found.File}' says what is wrong with them.");
        RecordFile.Write(copy, found.Kind, DataOutput.Stoppable(found.Clean(), session));
    }

    /// <summary>How training would see the file.</summary>
    private sealed record View(Tokenizer Tokenizer, string Name, ChatFormat Format, int? Context)
    {
        public static View Of(string? tokenizer, string? model, string? format)
        {
            if (tokenizer is not null && model is not null) throw new UsageException("Found both --tokenizer and --model; expected one of them, because a model has its tokenizer.");
            var folder = model is null ? null : Models.Find(model);
            var ids = Tokenizer.Load(folder ?? tokenizer ?? DefaultTokenizer);
            var (config, card) = folder is null ? default : ModelFolder.LoadCard(folder);
            var chosen = format is not null ? ChatFormatFile.Find(format)
                : card is null ? null : ChatFormat.Stored(card.ChatFormat, card.ChatTemplate);
            chosen ??= ids.SpecialTokens.ContainsKey(ChatFormat.ChatMl.End) ? ChatFormat.ChatMl : ChatFormat.ByName("instruct");
            if (format is not null) chosen.EndOfTurn(ids);              // an unsuitable format is one error, not one for each row
            return new View(ids, model ?? tokenizer ?? DefaultTokenizer, chosen, config?.MaxPositionEmbeddings);
        }
    }
}
