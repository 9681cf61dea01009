using System.Collections.Concurrent;
using Gpt35.Data;
using Gpt35.Data.TinyWorld;
using Gpt35.Tokenization;

namespace Gpt35.Evaluation;

/// <summary>How a prompt becomes tokens, and the tokens of an answer become text.</summary>
internal interface IAsking
{
    /// <summary>Any of these ends an answer.</summary>
    IReadOnlyList<int> StopTokens { get; }
    int[] Ask(TinyWorldPrompt prompt);
    string Read(ReadOnlySpan<int> completion);
}

/// <summary>A chat model is asked in the format it was trained with.</summary>
/// <param name="format">That format.</param>
/// <param name="tokenizer">The model's.</param>
/// <param name="room">Most tokens of a prompt.</param>
internal sealed class ChatAsking(ChatFormat format, Tokenizer tokenizer, int room) : IAsking
{
    public IReadOnlyList<int> StopTokens { get; } = format.StopTokens(tokenizer);

    public int[] Ask(TinyWorldPrompt prompt) => format.RenderPrompt(prompt.Messages, tokenizer, room);

    public string Read(ReadOnlySpan<int> completion) => format.ReadCompletion(completion, tokenizer);
}

/// <summary>
/// A base model is shown solved examples as plain text and continues them: "Question: …\nAnswer: …\n\n" for each, then the question.
/// Its answer ends with the line.
/// </summary>
internal sealed class FewShotAsking : IAsking
{
    private readonly Tokenizer tokenizer;
    private readonly int room;
    private readonly Func<InstructionKind, IReadOnlyList<(string Question, string Answer)>> examplesOf;

    public FewShotAsking(Tokenizer tokenizer, int room, TinyWorldEvaluationOptions options)
    {
        (this.tokenizer, this.room) = (tokenizer, room);
        var world = new Lazy<World>(() => World.Create(options.Seed));
        var examples = new ConcurrentDictionary<InstructionKind, IReadOnlyList<(string, string)>>();
        examplesOf = kind => examples.GetOrAdd(kind, k => Prompts.FewShotExamples(world.Value, k, options.Seed, options.Shots));
        StopTokens = [tokenizer.EndOfText, .. TokensWithNewline(tokenizer)];
    }

    public IReadOnlyList<int> StopTokens { get; }

    public int[] Ask(TinyWorldPrompt prompt)
    {
        var examples = examplesOf(prompt.Kind);
        for (var skipped = 0; ; skipped++)
        {
            int[] ids = [tokenizer.EndOfText, .. tokenizer.Encode(Text(examples.Skip(skipped), prompt.PlainText))];
            if (ids.Length <= room) return ids;
            if (skipped == examples.Count)
                throw new InvalidDataException($"A prompt of {ids.Length} tokens does not fit: the model has room for {room} before its answer. Shorten it: \"{prompt.PlainText}\"");
        }
    }

    public string Read(ReadOnlySpan<int> completion) => FirstLine(tokenizer.Decode(completion));

    internal static string Text(IEnumerable<(string Question, string Answer)> examples, string question) =>
        string.Concat(examples.Select(e => $"Question: {OneLine(e.Question)}\nAnswer: {OneLine(e.Answer)}\n\n")) + $"Question: {OneLine(question)}\nAnswer:";

    internal static string FirstLine(string text) => text.Split('\n', 2)[0].Trim();

    /// <summary>Every token that spells a line break, alone or within more.</summary>
    internal static IEnumerable<int> TokensWithNewline(Tokenizer tokenizer) =>
        Enumerable.Range(0, tokenizer.VocabSize).Where(id => tokenizer.DecodeBytes([id]).Contains((byte)'\n'));

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
