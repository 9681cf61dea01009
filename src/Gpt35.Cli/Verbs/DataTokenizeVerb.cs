using System.CommandLine;
using System.Globalization;
using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 data tokenize</c>: text to token shards, which pre-training maps into memory.</summary>
internal static class DataTokenizeVerb
{
    public static Command Create(Session session)
    {
        var files = new Argument<string[]>("file") { Description = "Text files: .txt, .jsonl, .json, .csv or .tsv, also with .gz or .zst, or .parquet.", Arity = ArgumentArity.OneOrMore };
        var vocabulary = new Option<string>("--tokenizer") { Description = "A tokenizer.json, the folder that holds one, or a vocabulary by name.", Required = true };
        var output = new Option<string>("--out") { Description = "Folder that receives the shards.", Required = true };
        var shardTokens = new Option<long>("--shard-tokens") { Description = "A shard ends with the document that reaches this many tokens." }
            .WithDefault(TokenShardWriter.DefaultShardTokens).AtLeast(1L);
        var command = new Command("tokenize", "Encode text once, into token shards that a recipe of 'pretrain' names in data.train or data.heldout.") { files, vocabulary, output, shardTokens };
        command.SetAction(parsed =>
        {
            var folder = OutputFolder.RequireEmpty(parsed.GetRequiredValue(output), "Choose another --out, or delete it first.");
            var paths = parsed.GetRequiredValue(files);
            foreach (var path in paths) InputFile.Require(path, "a text file");
            var tokenizer = Tokenizer.Load(parsed.GetRequiredValue(vocabulary));
            ShardIndex? index = null;
            try
            {
                var documents = paths.SelectMany(path => RecordReader.ReadText(path, session.Error.WriteLine));
                AtomicFolder.Write(folder, temporary => index = TokenShardWriter.Write(temporary, documents, tokenizer, parsed.GetValue(shardTokens), session.Cancel,
                    parsed.GetValue<int>(CommandLine.Threads)));
            }
            catch (OperationCanceledException)
            {
                throw new StoppedException($"Stopped; nothing was written to {folder}. The same command begins anew.");
            }
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture,
                $"{index!.Tokens:N0} tokens of {index.Documents:N0} documents ({index.Utf8Bytes:N0} bytes) in {index.Shards.Count} shards in {folder}"));
            return ExitCode.Done;
        });
        return command;
    }
}
