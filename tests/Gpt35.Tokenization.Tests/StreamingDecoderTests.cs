using System.Text;
using CsCheck;

namespace Gpt35.Tokenization.Tests;

public class StreamingDecoderTests
{
    [Fact]
    public void A_character_of_four_bytes_appears_when_its_last_byte_does()
    {
        var tokenizer = Texts.Train(259);
        var decoder = new StreamingDecoder(tokenizer);
        var ids = tokenizer.Encode("é🦊!");
        Assert.Equal(["", "é", "", "", "", "🦊", "!"], ids.Select(decoder.Push));
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void An_unfinished_character_becomes_the_replacement_character_at_the_end()
    {
        var tokenizer = Texts.Train(259);
        var decoder = new StreamingDecoder(tokenizer);
        Assert.Equal(["a", "", ""], tokenizer.EncodeBytes([(byte)'a', 0xF0, 0x9F]).Select(decoder.Push));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("b", decoder.Push(tokenizer.Encode("b")[0]));
    }

    [Fact]
    public void The_pieces_together_are_the_decoded_text_and_none_cuts_a_character() =>
        Gen.Select(Gen.OneOf(Texts.AnyBytes.Select(bytes => Texts.Small.EncodeBytes(bytes)), Gen.Int[0, 399].Array[0, 40]), Gen.Bool)
            .Sample((ids, includeSpecial) =>
            {
                var decoder = new StreamingDecoder(Texts.Small, includeSpecial);
                var pieces = ids.Select(decoder.Push).ToList();
                pieces.Add(decoder.Flush());
                Assert.Equal(Texts.Small.Decode(ids, includeSpecial), string.Concat(pieces));
                Assert.All(pieces, piece => Assert.Equal(piece, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(piece))));
            });
}
