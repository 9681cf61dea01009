using CsCheck;
using Gpt35.Tokenization;

namespace Gpt35.Inference.Tests;

public sealed class StopStringTests
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(["abab cabba abcabc babab €€a €b aabb bb ab ab abc abc\n"], new BpeTrainerOptions { VocabSize = 290 });

    private static int[] ByteTokens(string text) => [.. System.Text.Encoding.UTF8.GetBytes(text).Select(value => Tokenizer.EncodeBytes([value])[0])];

    [Fact]
    public void A_stop_string_is_found_across_token_borders_and_is_not_part_of_the_text()
    {
        var decoder = new StopTextDecoder(Tokenizer, ["bca"]);
        Assert.Equal(["a", "", "", ""], ByteTokens("abca").Select(decoder.Push));
        Assert.True(decoder.Stopped);
        Assert.Equal("", decoder.Flush());
        var whole = new StopTextDecoder(Tokenizer, ["ab", "b c"]);
        Assert.Equal("", string.Concat(Tokenizer.Encode("abab cab").Select(whole.Push)));
    }

    [Fact]
    public void Text_that_only_looked_like_a_stop_string_comes_out_after_all()
    {
        var decoder = new StopTextDecoder(Tokenizer, ["aab"]);
        Assert.Equal(["", "", "a", "aac"], ByteTokens("aaac").Select(decoder.Push));   // the last two a may begin it still, until c comes
        var open = new StopTextDecoder(Tokenizer, ["€€"]);
        Assert.Equal("a", string.Concat(ByteTokens("a€").Select(open.Push)));
        Assert.Equal("€", open.Flush());
    }

    /// <summary>Of any text in any tokens: what is shown is the text before the first stop string, and never later than need be.</summary>
    [Fact]
    public void Exactly_what_may_become_a_stop_string_is_held_back()
    {
        var texts = Gen.String[Gen.Char["abc €"], 0, 30];
        var stops = Gen.String[Gen.Char["abc €"], 1, 4].Array[1, 4];
        Gen.Select(texts, stops, Gen.Bool).Sample((text, stop, bytewise) =>
        {
            var decoder = new StopTextDecoder(Tokenizer, stop);
            var (read, shown) = ("", "");
            var utf8 = new StreamingDecoder(Tokenizer);
            foreach (var token in bytewise ? ByteTokens(text) : Tokenizer.Encode(text))
            {
                read += utf8.Push(token);
                shown += decoder.Push(token);
                if (bytewise && text.Contains('€')) continue;             // with half characters only the end is easy to tell
                Assert.Equal(Certain(read, stop, out var stopped), shown);
                Assert.Equal(stopped, decoder.Stopped);
                if (stopped) break;
            }
            shown += decoder.Flush();
            Assert.Equal(FirstStop(text, stop) is { } end ? text[..end] : text, shown);
        }, iter: 2000);
    }

    /// <summary>Where the stop string that is complete first begins; the longest, where several end together.</summary>
    private static int? FirstStop(string text, string[] stops)
    {
        for (var end = 1; end <= text.Length; end++)
            if (stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).MaxBy(stop => stop.Length) is { } found) return end - found.Length;
        return null;
    }

    /// <summary>The text before a stop string, or else before the longest ending that begins one.</summary>
    private static string Certain(string read, string[] stops, out bool stopped)
    {
        stopped = FirstStop(read, stops) is not null;
        if (FirstStop(read, stops) is { } end) return read[..end];
        var held = Enumerable.Range(0, read.Length + 1).First(start => stops.Any(stop => stop.StartsWith(read[start..], StringComparison.Ordinal)));
        return read[..held];
    }

    [Fact]
    public void An_engine_ends_at_a_stop_string_and_gives_the_text_before_it()
    {
        using var tiny = new TinyModel(Tokenizer.VocabSize, context: 64);
        var options = new SamplingOptions { Seed = 3, MaxTokens = 40 };
        var prompt = Tokenizer.Encode("ab");
        using var engine = new InferenceEngine(tiny.Decoder, tokenizer: Tokenizer);
        var free = engine.Generate([prompt], options)[0];
        Assert.Equal(Tokenizer.Decode(free.Tokens), free.Text);
        var stop = Enumerable.Range(5, 30).Select(start => Tokenizer.Decode(free.Tokens.AsSpan(start, 3))[1..]).First(text => text.Length > 1 && !text.Contains('\uFFFD'));
        var stopped = engine.Generate([prompt], options with { StopStrings = ["no such text", stop] })[0];
        Assert.Equal(FinishReason.Stop, stopped.Finish);
        Assert.Equal(free.Text![..free.Text!.IndexOf(stop, StringComparison.Ordinal)], stopped.Text);
        Assert.Equal(free.Tokens[..stopped.Tokens.Length], stopped.Tokens);
        var streamed = engine.StreamAsync(new GenerationRequest(prompt, options with { StopStrings = [stop] })).ToBlockingEnumerable().ToList();
        Assert.Equal(stopped.Tokens, streamed.Select(token => token.Token));
        Assert.Equal(stopped.Text, string.Concat(streamed.Select(token => token.Text)));
        var late = engine.Generate([prompt], options with { StopStrings = [stop], MinTokens = 30 })[0];
        Assert.True(late.Tokens.Length >= 30);
    }
}
