using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>A record as the ids that training sees.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="Trained">Beside each, whether it is trained on.</param>
/// <param name="Roles">Beside each, the role of its turn; null outside turns.</param>
public sealed record RenderedRecord(IReadOnlyList<int> Ids, IReadOnlyList<bool> Trained, IReadOnlyList<Role?> Roles)
{
    /// <summary>The sequences of a record: one, but for a ranking one for each completion.</summary>
    /// <exception cref="InvalidDataException">The format cannot write the record down, or the tokenizer lacks a token of it.</exception>
    internal static IReadOnlyList<RenderedRecord> Of(DataRecord record, ChatFormat format, Tokenizer tokenizer) => record switch
    {
        TextRecord text => [Document(text.Text, tokenizer)],
        Demonstration demonstration => [Of(format.RenderWithRoles(demonstration.Messages, tokenizer))],
        Ranking ranking => [.. ranking.Completions.Select(completion => Answered(ranking.Prompt, completion, format, tokenizer))],
        Unpaired unpaired => [Answered(unpaired.Prompt, unpaired.Completion, format, tokenizer)],
        _ => [Of(format.RenderPromptWithRoles(((PromptRecord)record).Messages, tokenizer))],
    };

    private static RenderedRecord Of((TokenSequence Sequence, Role?[] Roles) rendered) => new(rendered.Sequence.Ids, rendered.Sequence.Trained, rendered.Roles);

    private static RenderedRecord Document(string text, Tokenizer tokenizer)
    {
        int[] ids = [tokenizer.EndOfText, .. tokenizer.Encode(text), tokenizer.EndOfText];
        return new RenderedRecord(ids, [.. ids.Select(_ => true)], new Role?[ids.Length]);
    }

    private static RenderedRecord Answered(IReadOnlyList<Message> prompt, string completion, ChatFormat format, Tokenizer tokenizer)
    {
        var (sequence, roles) = format.RenderPromptWithRoles(prompt, tokenizer);
        var answer = format.RenderCompletion(completion, tokenizer);
        return new RenderedRecord([.. sequence.Ids, .. answer], [.. sequence.Ids.Select(_ => false), .. answer.Select(_ => true)], [.. roles, .. answer.Select(_ => (Role?)Role.Assistant)]);
    }
}
