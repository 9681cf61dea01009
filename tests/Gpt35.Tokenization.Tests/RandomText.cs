using System.Text;

namespace Gpt35.Tokenization.Tests;

/// <summary>Random strings from everywhere in Unicode.</summary>
internal static class RandomText
{
    private static readonly string[] Fixed =
    [
        " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "\u2028", "\u0085", "'s", "'T", "'re", "'VE", "'ll", "'ſ", "'", "the", "Hello", " world", "e\u0301",
        "1", "23", "2026", "!", "...", "<|endoftext|>", "<|im_start|>", "   x", "\u200D", "🦊", "👩‍👩‍👧", "東京", "नमस्ते", "مرحبا", "Straße", "ﬁ", "K", "0x1F",
    ];

    /// <summary>Up to two dozen pieces: words, blanks, marks, controls, characters of any plane, half surrogates.</summary>
    public static string Next(Random random)
    {
        var text = new StringBuilder();
        for (var count = random.Next(1, 24); count > 0; count--)
        {
            switch (random.Next(12))
            {
                case 0 or 1 or 2: text.Append(Fixed[random.Next(Fixed.Length)]); break;
                case 3 or 4 or 5: text.Append((char)random.Next(' ', '~' + 1)); break;
                case 6: text.Append((char)random.Next(0, 0x20)); break;
                case 7: text.Append((char)random.Next(0x300, 0x370)); break; // combining marks
                case 8: text.Append((char)random.Next(0x80, 0x3000)); break;
                case 9: text.Append((char)random.Next(0x3000, 0x10000)); break; // half surrogates among them
                case 10: text.Append(new Rune(random.Next(0x10000, 0x20000)).ToString()); break;
                default:
                    if (random.Next(3) == 0) text.Append(new Rune(random.Next(0x20000, 0x110000)).ToString());
                    else text.Append(' ').Append((char)random.Next('a', 'z' + 1), random.Next(1, 9));
                    break;
            }
        }
        return text.ToString();
    }
}
