using System.Text;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

/// <summary>Inputs and small trained tokenizers the tests share.</summary>
internal static class Texts
{
    public const string Prose =
        "The hare ran to the river. \"Don't run,\" said the otter, \"we'll swim; you're tired and I've time.\"\n\n" +
        "They'd 3 boats, 14 oars and 1592 stories. Über den Fluß führte eine Brücke; Ёжик в тумане, 東京の夜、🦊🦊 и 'll 't.\r\n\t" +
        "Then the hare and the otter and the other animals ate the bread, the butter and the berries until they were weary.   ";

    public static readonly Tokenizer Small = Train(400, Prose, Prose);

    /// <summary>Strings that are hard on a splitter: apostrophes, all kinds of space, every category, half surrogates.</summary>
    public static readonly Gen<string> AnyString = Gen.OneOf(
            AnyOf(" ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "\u2028", "\u0085", "\u001C", "\u180E", "\u200B"),
            AnyOf("'", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'l", "'r", "'v", "’s", "''"),
            AnyOf("a", "the", "Straße", "ж", "東京", "ⅷ", "²", "½", "٣", "e\u0301", "ǅ", "ʰ", "!", "...", "€", "_", "<|endoftext|>"),
            AnyOf("𝒜", "𠀀", "🦊", "👩‍👩‍👧", "𝟘", "\U00010107", "\U0001F1E9", "\U000E0001", "\U0010FFFF"),
            Gen.Char.Select(character => character.ToString()),
            Gen.Char[' ', '~'].Select(character => character.ToString()))
        .Array[0, 40].Select(string.Concat);

    /// <summary>Bytes, valid UTF-8 or not.</summary>
    public static readonly Gen<byte[]> AnyBytes = Gen.OneOf(
            Gen.Byte.Array[0, 6],
            AnyString.Select(Encoding.UTF8.GetBytes),
            AnyOf<byte[]>([0xE2, 0x82], [0xF0, 0x9F, 0xA6], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF5], [0xFF, 0xFE], [0x80, 0x20]))
        .Array[0, 6].Select(parts => parts.SelectMany(part => part).ToArray());

    public static Gen<T> AnyOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    public static Tokenizer Train(int vocabSize, params string[] documents) => Train(new BpeTrainerOptions { VocabSize = vocabSize }, documents);

    public static Tokenizer Train(BpeTrainerOptions options, params IEnumerable<string> documents) =>
        BpeTrainer.Train(documents, options, TestContext.Current.CancellationToken);

    /// <summary>Tokens of <paramref name="text"/> joined by a bar.</summary>
    public static string Cut(Tokenizer tokenizer, string text) =>
        string.Join('|', tokenizer.Encode(text).Select(id => tokenizer.Decode([id])));
}
