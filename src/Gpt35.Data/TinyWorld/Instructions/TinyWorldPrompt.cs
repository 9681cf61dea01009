namespace Gpt35.Data.TinyWorld;

/// <summary>What a system message may demand of the form of an answer.</summary>
public enum AnswerForm { Free, OneWord, FullSentence, NoNames }

/// <summary>
/// What is known about the right answer to a prompt: everything <see cref="Checker"/> and <see cref="Oracle"/> need, so that they work
/// without the world. Lists that a kind has no use for are empty.
/// </summary>
public sealed record TinyWorldTask
{
    /// <summary>The content asked about, for example <c>fact:Tom:Home</c>. Prompts of different folds never share a key.</summary>
    public required string Key { get; init; }

    /// <summary>Answers that nobody could better, the usual wording first.</summary>
    public required IReadOnlyList<string> Answers { get; init; }

    /// <summary>Groups of words (lower case) of which the answer must hold at least one each.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Required { get; init; } = [];

    /// <summary>Words (lower case) that make an answer wrong: the loser of a comparison, the value a yes-or-no question suggests wrongly, what a list must leave out.</summary>
    public IReadOnlyList<string> Rivals { get; init; } = [];

    /// <summary>The items of an answer whose order matters, spelled exactly.</summary>
    public IReadOnlyList<string> Sequence { get; init; } = [];

    /// <summary>What may be listed (lower case).</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>How many items a list must have.</summary>
    public int Count { get; init; }

    /// <summary>The answer is yes, no, or neither.</summary>
    public bool? Yes { get; init; }

    public AnswerForm Form { get; init; }

    public int MaxSentences { get; init; } = 1;

    public int MaxWords { get; init; } = 16;
}

/// <summary>A prompt of the world with what makes an answer right.</summary>
/// <param name="Kind">Kind of instruction.</param>
/// <param name="Messages">The conversation up to and including the user turn to be answered.</param>
/// <param name="Task">What is known about the answer.</param>
public sealed record TinyWorldPrompt(InstructionKind Kind, IReadOnlyList<Message> Messages, TinyWorldTask Task)
{
    /// <summary>An answer that nobody could better.</summary>
    public string PerfectAnswer => Task.Answers[0];

    /// <summary>The conversation as one line without roles, for prompting a base model.</summary>
    public string PlainText => string.Join(' ', Messages.Select(message => message.Content));
}

/// <summary>A prompt together with answers of the sort that go wrong: mistaken, invented, obedient to harm, or careless of the form asked for.</summary>
internal sealed record Draft(TinyWorldPrompt Prompt, IReadOnlyList<string> WrongAnswers)
{
    public static Draft Of(InstructionKind kind, string question, TinyWorldTask task, params IReadOnlyList<string> wrong) =>
        new(new TinyWorldPrompt(kind, [Message.User(question)], task), wrong);
}
