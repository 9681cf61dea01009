using Gpt35.Data.TinyWorld;

namespace Gpt35.Data.Tests.TinyWorld;

public class CorpusTests
{
    private static readonly World s_world = World.Create(1);
    private static readonly string[] s_documents = [.. Corpus.PretrainingDocuments(s_world, 1).Take(12_000)];

    [Fact]
    public void The_same_seed_gives_the_same_text_and_another_seed_another()
    {
        Assert.Equal(s_documents[..500], Corpus.PretrainingDocuments(World.Create(1), 1).Take(500));
        Assert.NotEqual(s_documents[..500], Corpus.PretrainingDocuments(s_world, 2).Take(500));
    }

    [Fact]
    public void No_two_documents_are_alike() => Assert.Equal(s_documents.Length, s_documents.Distinct().Count());

    [Fact]
    public void Held_out_documents_are_never_trained_on_whatever_the_seed()
    {
        var heldOut = Corpus.HeldOutDocuments(s_world, 1).Take(300).ToHashSet();
        Assert.Equal(300, heldOut.Count);
        Assert.DoesNotContain(s_documents, heldOut.Contains);
        Assert.DoesNotContain(Corpus.PretrainingDocuments(s_world, 2).Take(3_000), heldOut.Contains);
    }

    [Fact]
    public void The_vocabulary_is_small_and_every_word_is_in_the_lexicon()
    {
        var words = s_documents.SelectMany(CompletionText.Split).Concat(Prompts.Create(s_world, Fold.Demonstrations, 1, 3_000)
            .SelectMany(prompt => prompt.Task.Answers.Append(prompt.PlainText).SelectMany(CompletionText.Split))).ToHashSet();
        Assert.InRange(words.Count, 500, 750);
        Assert.DoesNotContain(words, word => !Lexicon.Contains(word));
        Assert.InRange(Lexicon.Count, words.Count - 50, 800);
    }

    [Fact]
    public void Every_fact_is_stated_often_and_in_several_wordings()
    {
        var text = string.Join('\n', s_documents);
        foreach (var fact in s_world.Facts.Where(fact => fact.IsPersonal))
        {
            var wordings = FactWording.Statements(fact.Relation, fact.Subject, fact.Value);
            Assert.True(wordings.Count(wording => text.Contains(wording, StringComparison.OrdinalIgnoreCase)) >= 3, fact.ToString());
        }
    }

    [Fact]
    public void Every_sum_opposite_and_capitalised_word_is_in_the_text_whatever_fold_its_question_is_in()
    {
        var text = string.Join('\n', s_documents);
        for (var a = 0; a <= 10; a++)
            for (var b = 0; b <= 10; b++)
                Assert.True(text.Contains($"{a} plus {b} is {a + b}.", StringComparison.Ordinal) || text.Contains($"{a} + {b} = {a + b}.", StringComparison.Ordinal), $"{a} + {b}");
        Assert.All(Words.Opposites, pair => Assert.True(text.Contains($"The opposite of {pair.One} is {pair.Other}.", StringComparison.Ordinal)));
        Assert.All(Words.Writable, noun => Assert.True(text.Contains($"In capitals: {noun.ToUpperInvariant()}.", StringComparison.Ordinal)));
    }

    [Fact]
    public void Nothing_unknowable_is_ever_told()
    {
        var text = string.Join('\n', s_documents);
        foreach (var person in s_world.People)
            foreach (var told in new[] { "shoe size is", "middle name is", "lucky number is", "secret is", "pocket holds" })
                Assert.False(text.Contains($"{person.Name}'s {told}", StringComparison.Ordinal));
    }

    [Fact]
    public void Held_out_questions_are_asked_nowhere_in_the_text()
    {
        var text = string.Join('\n', s_documents);
        foreach (var prompt in Prompts.HeldOut(s_world, 1, 40).Concat(Prompts.HeldOutRefusals(s_world, 1, 150)).Where(prompt => prompt.Kind is not (InstructionKind.Summary or InstructionKind.Continuation or InstructionKind.FollowUp)))
        {
            var question = prompt.Messages[^1].Content;
            var spoken = question[^1] == '?' ? $"\"{question}\"" : $"\"{question[..^1]},\"";       // prose turns the full stop of a spoken request into a comma
            Assert.False(text.Contains(spoken, StringComparison.Ordinal), prompt.PlainText);
        }
    }

    [Fact]
    public void Text_never_has_the_form_of_instructions() =>
        Assert.DoesNotContain(s_documents, document => document.Contains("Question:", StringComparison.Ordinal) || document.Contains("Answer:", StringComparison.Ordinal) || document.Contains("<|", StringComparison.Ordinal));

    [Fact]
    public void Sentences_start_with_capitals_and_documents_end_with_a_mark()
    {
        Assert.All(s_documents, document =>
        {
            Assert.True(char.IsUpper(document[0]) || char.IsDigit(document[0]) || document[0] == '"', document);
            Assert.True(document[^1] is '.' or '"', document);
            Assert.False(document.Contains("  ", StringComparison.Ordinal) || document.Contains("..", StringComparison.Ordinal), document);
        });
    }
}
