using System.CommandLine;
using System.Globalization;
using Gpt35.Data;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 tokenizer train</c>: a vocabulary from text. Stopped, it keeps what it has counted, and goes on with --resume.</summary>
internal static class TokenizerTrainVerb
{
    private const string Result = "tokenizer.json", State = "word-counts.state";

    public static Command Create(Session session)
    {
        var files = new Argument<string[]>("file") { Description = "Text files: .txt, .jsonl, .json, .csv or .tsv, also with .gz or .zst, or .parquet.", Arity = ArgumentArity.OneOrMore };
        var size = new Option<int>("--vocab-size") { Description = "Number of ids: 256 bytes, merges and special tokens.", Required = true };
        var output = new Option<string>("--out") { Description = "Folder that receives tokenizer.json.", Required = true };
        var minimum = new Option<long>("--min-frequency") { Description = "A pair that occurs less often is not merged." }.AtLeast(1L).WithDefault(2L);
        var pattern = new Option<string>("--pattern") { Description = "How text is cut into words: gpt2 or cl100k." }
            .WithDefault("gpt2").OneOf("gpt2", "cl100k");
        var specials = new Option<string[]>("--special-token") { Description = "Name of a special token to reserve; repeat for more. Default: those of ChatML." };
        var resume = new Option<bool>("--resume") { Description = "Go on where a stopped training of the same files was." };
        var command = new Command("train", "Learn a vocabulary from text and write tokenizer.json.") { files, size, output, minimum, pattern, specials, resume };
        command.SetAction(parsed =>
        {
            var folder = OutputFolder.RequireNew(parsed.GetRequiredValue(output), Result);
            var paths = parsed.GetRequiredValue(files);
            foreach (var path in paths) InputFile.Require(path, "a text file");
            var start = session.Time.GetTimestamp();
            var options = new BpeTrainerOptions
            {
                VocabSize = parsed.GetRequiredValue(size),
                MinFrequency = parsed.GetValue(minimum),
                PreTokenizer = parsed.GetValue(pattern) == "cl100k" ? PreTokenizer.Cl100k : PreTokenizer.Gpt2,
                SpecialTokens = parsed.GetValue(specials) is { Length: > 0 } names ? names : SpecialTokens.Default,
                Threads = parsed.GetValue<int>(CommandLine.Threads),
            };
            var tokenizer = Train(session, paths, folder, options, parsed.GetValue(resume));
            tokenizer.Save(folder);
            File.Delete(Path.Combine(folder, State));
            var seconds = session.Time.GetElapsedTime(start).TotalSeconds;
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture, $"{tokenizer.VocabSize} ids in {Path.Combine(folder, Result)} ({seconds:F1} s)"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Tokenizer Train(Session session, string[] paths, string folder, BpeTrainerOptions options, bool resume)
    {
        var state = Path.Combine(folder, State);
        var inputs = Describe(paths);
        var training = Open(state, inputs, options, resume);
        try
        {
            training.Count(paths.SelectMany(path => RecordReader.ReadText(path)).Skip(checked((int)training.Documents)), session.Cancel);
            return training.Learn(session.Cancel);
        }
        catch (OperationCanceledException)
        {
            Directory.CreateDirectory(folder);
            training.Save(state, inputs);
            throw new StoppedException(string.Create(CultureInfo.InvariantCulture,
                $"Stopped after {training.Documents:N0} documents; their word counts are in {state}. The same command with --resume goes on from there."));
        }
    }

    private static BpeTraining Open(string state, string inputs, BpeTrainerOptions options, bool resume)
    {
        if (resume == File.Exists(state)) return resume ? BpeTraining.Load(state, inputs, options) : new BpeTraining(options);
        throw new IOException(resume
            ? $"{state}: no such file, so there is nothing to resume. Leave out --resume."
            : $"{state} holds the word counts of a stopped training. Go on with --resume, or delete it to begin anew.");
    }

    /// <summary>Files by name, length and time of change: what a resumed training must find as it was.</summary>
    private static string Describe(string[] paths) => string.Join('\n', paths.Select(path => new FileInfo(path))
        .Select(file => string.Create(CultureInfo.InvariantCulture, $"{file.FullName}\t{file.Length}\t{file.LastWriteTimeUtc.Ticks}")));
}
