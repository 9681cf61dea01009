using System.CommandLine;
using Gpt35.Cli.Terminal;
using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Model;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 generate MODEL PROMPT</c>: a base model continues the text, a chat model answers it; with --suffix, either fills the gap between the two; with --json-schema, --json-mode or --regex, what it writes has that form; with --logprobs, every token is shown with the likeliest of its place.</summary>
internal static class GenerateVerb
{
    /// <summary>What to write.</summary>
    /// <param name="Prompt">Ids that the model reads.</param>
    /// <param name="StopTokens">Any of these ends the text.</param>
    /// <param name="Before">Shown before the text.</param>
    /// <param name="After">Shown behind it.</param>
    /// <param name="Lead">Not shown where the text begins with it.</param>
    private sealed record Writing(int[] Prompt, IReadOnlyList<int> StopTokens, string Before = "", string After = "", string Lead = "");

    public static Command Create(Session session)
    {
        var model = new Argument<string>("model") { Description = "Model folder, the run folder of a stage, a .gguf file, or a llama2.c .bin with its tokenizer beside it." };
        var prompt = new Argument<string>("prompt") { Description = "Text to continue (base model) or to answer (chat model)." };
        var suffix = new Option<string?>("--suffix") { Description = "Text that follows; the model writes what stands between. It must have been pre-trained with 'fim'." };
        var samples = new Option<int>("--samples", "-n") { Description = "Texts to write; of several, none is streamed." }.WithDefault(1).Between(1, MostSamples);
        var bestOf = new Option<int?>("--best-of") { Description = "Write so many and show the likeliest, by mean log-probability per token." }.AtLeast(1);
        var logProbs = new Option<int?>("--logprobs") { Description = "Show every token's log-probability and the N likeliest tokens of its place; the text is then not streamed.", HelpName = "N" }
            .Between(0, SamplingOptions.MostTopLogProbs);
        var json = new Option<bool>("--json") { Description = "JSON lines, for programs: one for each token with --logprobs, and one for each text." };
        var sampling = new SamplingArguments(temperature: 1, maxTokens: 128);
        var weights = new WeightsArgument();
        var adapter = new AdapterArgument();
        var guesses = new GuessArguments();
        var constraint = new ConstraintArguments();
        var bias = new LogitBiasArgument();
        var command = new Command("generate", "Continue a text, answer a question or fill a gap, streaming.") { model, prompt, suffix, samples, bestOf, logProbs, json };
        sampling.AddTo(command);
        weights.AddTo(command);
        adapter.AddTo(command);
        guesses.AddTo(command);
        constraint.AddTo(command);
        bias.AddTo(command);
        command.SetAction(parsed =>
        {
            var (shown, drawn) = (parsed.GetValue(samples), parsed.GetValue(bestOf) ?? parsed.GetValue(samples));
            if (drawn < shown || drawn > MostSamples)
                throw new InvalidDataException($"Found --best-of {drawn} and {shown} to show (-n); expected to choose among at least as many as are shown and at most {MostSamples}.");
            using var pool = Session.OpenPool(parsed);
            using var folder = adapter.Open(session, parsed, parsed.GetRequiredValue(model), pool, weights.Read(parsed));
            WeightsArgument.Announce(session, parsed, folder.Model);
            var writing = WritingOf(folder, parsed.GetRequiredValue(prompt), parsed.GetValue(suffix));
            var options = sampling.Read(parsed) with
            {
                Constraint = constraint.Read(parsed, folder.Tokenizer),
                StopTokens = writing.StopTokens,
                LogitBias = bias.Read(parsed, folder),
                TopLogProbs = parsed.GetValue(logProbs),
            };
            RequireRoom(folder.Model.Config, writing.Prompt);
            using var draft = guesses.OpenDraft(parsed, folder, pool, weights.Read(parsed));
            using var engine = Models.EngineOf(folder, weights.ReadCache(parsed), drawn, draft, guesses.LooksUp(parsed));
            var request = new GenerationRequest(writing.Prompt, options) { Samples = drawn };
            var asJson = parsed.GetValue(json);
            var written = drawn == 1 && options.TopLogProbs is null && !asJson
                ? [Stream(session, engine, request, writing)]
                : Choose(session, parsed, engine, request, writing, shown, asJson);
            session.Cancel.ThrowIfCancellationRequested();
            foreach (var text in written) ConstraintArguments.RequireWhole(options, text);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>As many as OpenAI's API has.</summary>
    private const int MostSamples = 128;

    /// <summary>Chat models answer and stop at the end of their turn. Base models have learned that a document begins after &lt;|endoftext|&gt;, those of the Llama family after &lt;s&gt;.</summary>
    private static Writing WritingOf(ModelFolder folder, string text, string? suffix)
    {
        var tokenizer = folder.Tokenizer;
        if (suffix is not null) return new Writing(FillInTheMiddle.Prompt(text, suffix, tokenizer), [tokenizer.EndOfText], Before: text, After: suffix);
        if (Models.ChatFormatOf(folder) is { } format) return new Writing(format.RenderPrompt([Message.User(text)], tokenizer), format.StopTokens(tokenizer), Lead: format.Lead);
        return new Writing([tokenizer.StartOfText, .. tokenizer.Encode(text)], [tokenizer.EndOfText], Before: text, Lead: text.Length == 0 && tokenizer.AddsSpace ? " " : "");
    }

    private static void RequireRoom(ModelConfig config, int[] prompt)
    {
        if (prompt.Length >= config.MaxPositionEmbeddings)
            throw new InvalidDataException($"The prompt has {prompt.Length} tokens and the model's context holds {config.MaxPositionEmbeddings}, the answer included. Shorten the prompt.");
    }

    private static string Stream(Session session, InferenceEngine engine, GenerationRequest request, Writing writing)
    {
        session.Out.Write(writing.Before);
        var text = TextStream.Write(engine, request, session.Out, session.Cancel, writing.Lead);
        session.Out.WriteLine(writing.After);
        return text;
    }

    /// <summary>Shows whole texts, the likeliest first where they were chosen among more.</summary>
    private static IReadOnlyList<string> Choose(Session session, ParseResult parsed, InferenceEngine engine, GenerationRequest request, Writing writing, int shown, bool json)
    {
        var all = engine.CompleteAsync(request, session.Cancel).GetAwaiter().GetResult();
        var chosen = shown < all.Length ? Completion.Best(all, shown) : all;
        foreach (var (i, completion) in chosen.Index())
        {
            var answer = new AnswerText(writing.Lead);
            var text = answer.Push(completion.Text!) + answer.Flush();
            if (json)
            {
                LogProbReport.WriteJson(session, i, text, completion, engine.Tokenizer!);
                continue;
            }
            if (shown > 1) session.Say(parsed, $"--- {i + 1} of {shown}");
            session.Out.WriteLine(writing.Before + text + writing.After);
            if (completion.TokenLogProbs is { } report) LogProbReport.WriteTable(session, report, completion.Tokens, engine.Tokenizer!);
        }
        return [.. chosen.Select(completion => completion.Text!)];
    }
}
