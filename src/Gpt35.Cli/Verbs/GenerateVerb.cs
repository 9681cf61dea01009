using System.CommandLine;
using Gpt35.Data;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 generate MODEL PROMPT</c>: a base model continues the text, a chat model answers it.</summary>
internal static class GenerateVerb
{
    public static Command Create(Session session)
    {
        var model = new Argument<string>("model") { Description = "Model folder, or the run folder of a stage." };
        var prompt = new Argument<string>("prompt") { Description = "Text to continue (base model) or to answer (chat model)." };
        var sampling = new SamplingArguments(temperature: 1, maxTokens: 128);
        var command = new Command("generate", "Continue a text or answer a question, streaming.") { model, prompt };
        sampling.AddTo(command);
        command.SetAction(parsed =>
        {
            using var pool = Session.OpenPool(parsed);
            using var folder = Models.OpenLanguageModel(parsed.GetRequiredValue(model), pool);
            var tokenizer = folder.Tokenizer;
            var text = parsed.GetRequiredValue(prompt);
            var options = sampling.Read(parsed);
            if (Models.ChatFormatOf(folder) is { } format)
            {
                // Chat models stop at the end of their turn.
                options = options with { StopTokens = [format.EndOfTurn(tokenizer), tokenizer.EndOfText] };
                TextStream.Write(folder, format.RenderPrompt([Message.User(text)], tokenizer), options, session.Out, session.Cancel);
            }
            else
            {
                // Base models have learned that a document begins after <|endoftext|>.
                options = options with { StopTokens = [tokenizer.EndOfText] };
                session.Out.Write(text);
                TextStream.Write(folder, [tokenizer.EndOfText, .. tokenizer.Encode(text)], options, session.Out, session.Cancel);
            }
            session.Out.WriteLine();
            session.Cancel.ThrowIfCancellationRequested();
            return ExitCode.Done;
        });
        return command;
    }
}
