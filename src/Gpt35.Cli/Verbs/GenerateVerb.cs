using System.CommandLine;
using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Model;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 generate MODEL PROMPT</c>: a base model continues the text, a chat model answers it; with --suffix, either fills the gap between the two; with --json-schema, --json-mode or --regex, what it writes has that form.</summary>
internal static class GenerateVerb
{
    public static Command Create(Session session)
    {
        var model = new Argument<string>("model") { Description = "Model folder, the run folder of a stage, a .gguf file, or a llama2.c .bin with its tokenizer beside it." };
        var prompt = new Argument<string>("prompt") { Description = "Text to continue (base model) or to answer (chat model)." };
        var suffix = new Option<string?>("--suffix") { Description = "Text that follows; the model writes what stands between. It must have been pre-trained with 'fim'." };
        var sampling = new SamplingArguments(temperature: 1, maxTokens: 128);
        var weights = new WeightsArgument();
        var adapter = new AdapterArgument();
        var constraint = new ConstraintArguments();
        var command = new Command("generate", "Continue a text, answer a question or fill a gap, streaming.") { model, prompt, suffix };
        sampling.AddTo(command);
        weights.AddTo(command);
        adapter.AddTo(command);
        constraint.AddTo(command);
        command.SetAction(parsed =>
        {
            using var pool = Session.OpenPool(parsed);
            using var folder = adapter.Open(session, parsed, parsed.GetRequiredValue(model), pool, weights.Read(parsed));
            WeightsArgument.Announce(session, parsed, folder.Model);
            var (text, options) = (parsed.GetRequiredValue(prompt), sampling.Read(parsed) with { Constraint = constraint.Read(parsed, folder.Tokenizer) });
            var written = parsed.GetValue(suffix) is { } end ? Insert(session, folder, text, end, options)
                : Models.ChatFormatOf(folder) is { } format ? Answer(session, folder, text, format, options)
                : Continue(session, folder, text, options);
            session.Out.WriteLine();
            session.Cancel.ThrowIfCancellationRequested();
            ConstraintArguments.RequireWhole(options, written);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Chat models stop at the end of their turn.</summary>
    private static string Answer(Session session, ModelFolder folder, string text, ChatFormat format, SamplingOptions options) => TextStream.Write(
        folder, format.RenderPrompt([Message.User(text)], folder.Tokenizer), options with { StopTokens = format.StopTokens(folder.Tokenizer) }, session.Out, session.Cancel, format.Lead);

    /// <summary>Base models have learned that a document begins after &lt;|endoftext|&gt;, those of the Llama family after &lt;s&gt;.</summary>
    private static string Continue(Session session, ModelFolder folder, string text, SamplingOptions options)
    {
        var tokenizer = folder.Tokenizer;
        session.Out.Write(text);
        return TextStream.Write(folder, [tokenizer.StartOfText, .. tokenizer.Encode(text)], options with { StopTokens = [tokenizer.EndOfText] }, session.Out, session.Cancel,
            lead: text.Length == 0 && tokenizer.AddsSpace ? " " : "");
    }

    /// <summary>Prints the whole text, the gap as it is filled.</summary>
    private static string Insert(Session session, ModelFolder folder, string text, string suffix, SamplingOptions options)
    {
        var prompt = FillInTheMiddle.Prompt(text, suffix, folder.Tokenizer);
        session.Out.Write(text);
        var written = TextStream.Write(folder, prompt, options with { StopTokens = [folder.Tokenizer.EndOfText] }, session.Out, session.Cancel);
        session.Out.Write(suffix);
        return written;
    }
}
