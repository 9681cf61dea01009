using CsCheck;
using Gpt35.Tokenization;

namespace Gpt35.Data.Tests;

public sealed class FillInTheMiddleTests
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(
        ["The cat sat on the mat. The dog sat on the log.", "Ein süßer Käfer läuft über die Straße."],
        new BpeTrainerOptions { VocabSize = 330, SpecialTokens = [.. SpecialTokens.Default, SpecialTokens.FimPrefix, SpecialTokens.FimMiddle, SpecialTokens.FimSuffix] });

    private static readonly string[] Parts = ["The cat sat. ", "süßer Käfer ", "\n", "中文", "😀", "<|fim_middle|>", "x"];

    private static readonly Gen<string> Document = Gen.Int[0, Parts.Length - 1].Array[0, 12].Select(parts => string.Concat(parts.Select(part => Parts[part])));

    private static int Id(string name) => Tokenizer.SpecialTokens[name];

    /// <summary>The text between two special tokens of a sequence.</summary>
    private static string After(int[] ids, string special) =>
        Tokenizer.Decode(ids.AsSpan(Array.IndexOf(ids, Id(special)) + 1) is var rest && rest.IndexOfAny([.. Tokenizer.SpecialTokens.Values]) is var end && end >= 0 ? rest[..end] : rest);

    [Fact]
    public void Prefix_middle_and_suffix_put_together_are_the_document_and_no_character_is_cut() =>
        Gen.Select(Document, Gen.Int[0, 1000], Gen.Int[0, 1]).Sample((text, index, spm) =>
        {
            var ids = Assert.Single(new FillInTheMiddle(1, spm, 7).Apply(text, index, Tokenizer, 400)!);
            Assert.Equal((Tokenizer.EndOfText, Tokenizer.EndOfText), (ids[0], ids[^1]));
            Assert.Equal(Id(SpecialTokens.FimPrefix), ids[1]);
            var (suffix, end) = (After(ids, SpecialTokens.FimSuffix), After(ids, SpecialTokens.FimMiddle));
            if (spm == 1)
            {
                Assert.Equal(Id(SpecialTokens.FimSuffix), ids[2]);
                Assert.Equal(text, end + suffix);
            }
            else Assert.Equal(text, After(ids, SpecialTokens.FimPrefix) + end + suffix);
            Assert.DoesNotContain('\ufffd', suffix + end);
            Assert.Equal(3, ids[1..^1].Count(Tokenizer.SpecialTokens.Values.Contains));
        });

    [Fact]
    public void A_prompt_is_the_beginning_of_what_was_trained_on()
    {
        var ids = Assert.Single(new FillInTheMiddle(1, 0, 7).Apply("The cat sat on the mat.", 3, Tokenizer, 400)!);
        var prompt = FillInTheMiddle.Prompt(After(ids, SpecialTokens.FimPrefix), After(ids, SpecialTokens.FimSuffix), Tokenizer);
        Assert.Equal(ids[..prompt.Length], prompt);
        Assert.Equal(Id(SpecialTokens.FimMiddle), prompt[^1]);
    }

    [Fact]
    public void The_rates_are_kept_and_the_choice_depends_on_seed_and_index_alone()
    {
        var fim = new FillInTheMiddle(0.3, 0.25, 11);
        var all = Enumerable.Range(0, 2000).Select(i => fim.Apply("The cat sat on the mat.", i, Tokenizer, 64)).ToList();
        var moved = all.Where(sequences => sequences is not null).Select(sequences => sequences![0]).ToList();
        Assert.InRange(moved.Count, 540, 660);
        Assert.InRange(moved.Count(ids => ids[2] == Id(SpecialTokens.FimSuffix)) / (double)moved.Count, 0.19, 0.34);       // an empty prefix in PSM looks like SPM
        Assert.Equal(all[1234]?[0], fim.Apply("The cat sat on the mat.", 1234, Tokenizer, 64)?[0]);
        Assert.NotEqual(all.Select(sequences => sequences is null), Enumerable.Range(0, 2000).Select(i => (fim with { Seed = 12 }).Apply("x", i, Tokenizer, 64) is null));
    }

    [Fact]
    public void A_document_longer_than_the_context_is_rearranged_in_pieces_that_fit()
    {
        var text = string.Concat(Enumerable.Repeat("The dog sat on the süße log. ", 60));
        var sequences = new FillInTheMiddle(1, 0, 5).Apply(text, 0, Tokenizer, 64)!;
        Assert.True(sequences.Count > 5);
        Assert.All(sequences, ids => Assert.InRange(ids.Length, 2, 64));
        Assert.Equal(text, string.Concat(sequences.Select(ids => After(ids, SpecialTokens.FimPrefix) + After(ids, SpecialTokens.FimMiddle) + After(ids, SpecialTokens.FimSuffix))));
    }

    [Fact]
    public void Windows_of_text_hold_the_rearranged_documents_in_order()
    {
        string[] documents = [.. Enumerable.Range(0, 50).Select(i => $"The cat {i} sat.")];
        var fim = new FillInTheMiddle(0.5, 0.5, 3);
        var cut = TextWindows.Cut(documents, Tokenizer, 64, fim: fim);
        Assert.Equal(50, cut.Windows.Count);
        Assert.Equal(cut.Windows.Sum(window => window.Ids.Length - 1), cut.Tokens);
        for (var i = 0; i < documents.Length; i++)
            Assert.Equal(fim.Apply(documents[i], i, Tokenizer, 64)?[0] ?? [Tokenizer.EndOfText, .. Tokenizer.Encode(documents[i]), Tokenizer.EndOfText], cut.Windows[i].Ids);
    }

    [Fact]
    public void A_tokenizer_without_the_tokens_is_refused_with_the_command_that_makes_one()
    {
        var bare = BpeTrainer.Train(["text"], new BpeTrainerOptions { VocabSize = 260 }, TestContext.Current.CancellationToken);
        foreach (var use in (Action[])[() => FillInTheMiddle.Prompt("a", "b", bare), () => TextWindows.Cut(["text"], bare, 9, fim: new FillInTheMiddle(1, 0, 1))])
        {
            var message = Assert.Throws<InvalidDataException>(use).Message;
            Assert.Contains("<|fim_prefix|>", message);
            Assert.Contains("--special-token", message);
        }
    }
}
