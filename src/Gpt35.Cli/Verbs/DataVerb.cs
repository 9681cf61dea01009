using System.CommandLine;
using System.Globalization;
using Gpt35.Data.TinyWorld;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 data synth|inspect|convert|mix|tokenize</c>.</summary>
internal static class DataVerb
{
    public static Command Create(Session session) => new("data", "Make training data, look into it, clean, convert and mix it.")
    {
        Synth(session),
        DataInspectVerb.Create(session),
        DataConvertVerb.Create(session),
        DataMixVerb.Create(session),
        DataTokenizeVerb.Create(session),
    };

    private static Command Synth(Session session)
    {
        var sizes = new TinyWorldSizes();
        var output = new Option<string>("--out") { Description = "Folder that receives the files.", Required = true };
        var seed = new Option<ulong>("--seed") { Description = "Same seed, same world, same text." }.WithDefault(1UL).AtLeast(0UL);
        var documents = Size("--documents", "Documents to pre-train on, about 210 bytes and 57 tokens each.", sizes.Documents);
        var heldOutDocuments = Size("--heldout-documents", "Documents to measure perplexity on.", sizes.HeldOutDocuments);
        var demonstrations = Size("--demonstrations", "Demonstrations to fine-tune on.", sizes.Demonstrations);
        var heldOutDemonstrations = Size("--heldout-demonstrations", "Demonstrations to measure the loss on.", sizes.HeldOutDemonstrations);
        var feedbackPrompts = Size("--feedback-prompts", "Prompts for rankings and PPO.", sizes.FeedbackPrompts);
        var heldOutPrompts = Size("--heldout-prompts-per-kind", "Prompts of each kind to evaluate on.", sizes.HeldOutPromptsPerKind);
        var refusalPrompts = Size("--heldout-refusal-prompts", "Harmful requests, and as many look-alikes, to count refusals of.", sizes.HeldOutRefusalPrompts);
        var command = new Command("synth", "Write the TinyWorld corpus: text, demonstrations and prompts about a small invented world.")
        {
            output, seed, documents, heldOutDocuments, demonstrations, heldOutDemonstrations, feedbackPrompts, heldOutPrompts, refusalPrompts,
        };
        command.SetAction(parsed =>
        {
            var folder = OutputFolder.RequireEmpty(parsed.GetRequiredValue(output), "Choose another --out, or delete it first.");
            try
            {
                TinyWorldFiles.Write(folder, parsed.GetValue(seed), new TinyWorldSizes
                {
                    Documents = parsed.GetValue(documents),
                    HeldOutDocuments = parsed.GetValue(heldOutDocuments),
                    Demonstrations = parsed.GetValue(demonstrations),
                    HeldOutDemonstrations = parsed.GetValue(heldOutDemonstrations),
                    FeedbackPrompts = parsed.GetValue(feedbackPrompts),
                    HeldOutPromptsPerKind = parsed.GetValue(heldOutPrompts),
                    HeldOutRefusalPrompts = parsed.GetValue(refusalPrompts),
                });
            }
            catch (ArgumentException tooMany)
            {
                // The world is finite; the message says how many there are.
                throw new InvalidDataException(tooMany.Message, tooMany);
            }
            foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
                session.Say(parsed, string.Create(CultureInfo.InvariantCulture, $"{new FileInfo(file).Length / 1e6,8:F2} MB  {file}"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Option<int> Size(string name, string description, int value) => new Option<int>(name) { Description = description }.WithDefault(value).AtLeast(1);
}
