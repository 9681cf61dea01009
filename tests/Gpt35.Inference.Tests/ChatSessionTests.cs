using Gpt35.Tokenization;

namespace Gpt35.Inference.Tests;

public sealed class ChatSessionTests : IDisposable
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(["hello there, how are you? I am well, thank you. hello hello there there\n"], new BpeTrainerOptions { VocabSize = 270 });
    private static readonly SamplingOptions Greedy = new() { Temperature = 0, MaxTokens = 10 };

    private readonly TinyModel tiny = new(Tokenizer.VocabSize, context: 64);

    public void Dispose() => tiny.Dispose();

    private string Fresh(int[] prompt, SamplingOptions options) => Tokenizer.Decode(tiny.Engine().Stream(prompt, options).ToArray());

    [Fact]
    public void The_pieces_of_a_reply_are_the_text_of_its_tokens()
    {
        var options = new SamplingOptions { Seed = 9, MaxTokens = 40, StopTokens = [Tokenizer.EndOfText] };
        var prompt = Tokenizer.Encode("hello there");
        using var session = new ChatSession(tiny.Decoder, Tokenizer);
        var pieces = session.Reply(prompt, options).ToList();
        Assert.Equal(Fresh(prompt, options), string.Concat(pieces));
        Assert.True(pieces.Count > 1);
        Assert.DoesNotContain("", pieces);
    }

    [Fact]
    public void Every_turn_of_a_conversation_gets_the_answer_a_fresh_start_would_give()
    {
        using var session = new ChatSession(tiny.Decoder, Tokenizer);
        var conversation = Tokenizer.Encode("hello").ToList();
        for (var turn = 0; turn < 3; turn++)
        {
            int[] prompt = [.. conversation];
            Assert.Equal(Fresh(prompt, Greedy), string.Concat(session.Reply(prompt, Greedy)));
            conversation.AddRange(tiny.Engine().Stream(prompt, Greedy));
            conversation.AddRange(Tokenizer.Encode(" how are you?"));
        }
        int[][] edits = [[.. conversation.Take(9)], [.. conversation.Take(4), 7, 8], [.. conversation.Skip(5)], [3]];
        foreach (var prompt in edits) Assert.Equal(Fresh(prompt, Greedy), string.Concat(session.Reply(prompt, Greedy)));
    }

    [Fact]
    public void What_has_been_read_once_is_not_read_again()
    {
        int[] prompt = Tokenizer.Encode("hello there, how are you?"), more = [.. prompt, .. Tokenizer.Encode(" well?")];
        using var session = new ChatSession(tiny.Decoder, Tokenizer);
        _ = session.Reply(prompt, Greedy with { MaxTokens = 1 }).Count();
        var expected = Fresh(more, Greedy);

        // Positions that are already in the cache are given another meaning: only reading them again could notice.
        var parameters = tiny.Decoder.Parameters;
        var positions = parameters["wpe.weight"];
        parameters.ValuesOf(positions)[..(16 * prompt.Length)].Reverse();
        Assert.NotEqual(expected, Fresh(more, Greedy));
        Assert.Equal(expected, string.Concat(session.Reply(more, Greedy)));
    }

    [Fact]
    public void An_interrupted_reply_leaves_the_session_usable()
    {
        var prompt = Tokenizer.Encode("hello there");
        using var session = new ChatSession(tiny.Decoder, Tokenizer);
        _ = session.Reply(prompt, Greedy).First();
        using var cancel = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (var _ in session.Reply(prompt, Greedy, cancel.Token)) cancel.Cancel();
        });
        Assert.Equal(Fresh(prompt, Greedy), string.Concat(session.Reply(prompt, Greedy)));
        Assert.Equal(64, session.ContextLength);
    }

    [Fact]
    public void A_prompt_that_fills_the_context_is_refused_at_once()
    {
        using var session = new ChatSession(tiny.Decoder, Tokenizer);
        Assert.Throws<ArgumentException>(() => session.Reply(new int[64], Greedy));
        Assert.Throws<ArgumentException>(() => session.Reply([], Greedy));
    }
}
