using Gpt35.Tokenization;

namespace Gpt35.Inference.Tests;

/// <summary>An engine that stays is one that remembers: a conversation costs its new tokens.</summary>
public sealed class ConversationTests : IDisposable
{
    private static readonly Tokenizer Tokenizer = BpeTrainer.Train(["hello there, how are you? I am well, thank you. hello hello there there\n"], new BpeTrainerOptions { VocabSize = 270 });
    private static readonly SamplingOptions Greedy = new() { Temperature = 0, MaxTokens = 10 };

    private readonly TinyModel tiny = new(Tokenizer.VocabSize, context: 64);
    private readonly InferenceEngine engine;

    public ConversationTests() => engine = new InferenceEngine(tiny.Decoder, new EngineOptions { MaxSequences = 1 }, Tokenizer);

    public void Dispose()
    {
        engine.Dispose();
        tiny.Dispose();
    }

    private Completion Fresh(int[] prompt, SamplingOptions options) => new InferenceEngine(tiny.Decoder, 1, Tokenizer).Generate([prompt], options)[0];

    private string Reply(int[] prompt, SamplingOptions options) => string.Concat(Pieces(prompt, options));

    private IEnumerable<string> Pieces(int[] prompt, SamplingOptions options, CancellationToken cancel = default) =>
        engine.StreamAsync(new GenerationRequest(prompt, options), cancel).ToBlockingEnumerable().Select(token => token.Text);

    [Fact]
    public void The_pieces_of_a_reply_are_the_text_of_its_tokens()
    {
        var options = new SamplingOptions { Seed = 9, MaxTokens = 40, StopTokens = [Tokenizer.EndOfText] };
        var prompt = Tokenizer.Encode("hello there");
        var pieces = Pieces(prompt, options).ToList();
        Assert.Equal(Fresh(prompt, options).Text, string.Concat(pieces));
        Assert.True(pieces.Count(piece => piece.Length > 0) > 1);
    }

    [Fact]
    public void Every_turn_of_a_conversation_gets_the_answer_a_fresh_start_would_give()
    {
        var conversation = Tokenizer.Encode("hello").ToList();
        for (var turn = 0; turn < 3; turn++)
        {
            int[] prompt = [.. conversation];
            Assert.Equal(Fresh(prompt, Greedy).Text, Reply(prompt, Greedy));
            conversation.AddRange(Fresh(prompt, Greedy).Tokens);
            conversation.AddRange(Tokenizer.Encode(" how are you?"));
        }
        Assert.True(engine.Status.CachedTokens > 0);
        int[][] edits = [[.. conversation.Take(9)], [.. conversation.Take(20), 7, 8], [.. conversation.Skip(5)], [3]];
        foreach (var prompt in edits) Assert.Equal(Fresh(prompt, Greedy).Text, Reply(prompt, Greedy));
    }

    [Fact]
    public async Task What_has_been_read_or_written_is_not_read_again_in_whole_blocks()
    {
        var prompt = Enumerable.Range(5, 20).ToArray();
        var first = (await engine.CompleteAsync(new GenerationRequest(prompt, Greedy)))[0];
        int[] more = [.. prompt, .. first.Tokens, .. Tokenizer.Encode(" well?")];
        Assert.Equal(30, prompt.Length + first.Tokens.Length);
        var expected = Fresh(more, Greedy).Text;

        // Positions that are already in the cache are given another meaning: only reading them again could notice.
        var parameters = tiny.Decoder.Parameters;
        parameters.ValuesOf(parameters["wpe.weight"])[..(16 * 16)].Reverse();
        Assert.NotEqual(expected, Fresh(more, Greedy).Text);
        var again = engine.Submit(new GenerationRequest(more, Greedy));
        Assert.Equal(expected, (await again.Completions)[0].Text);
        Assert.Equal(16, again.CachedTokens);                          // the second block had 14 of its 16 tokens
        engine.ForgetPrefixes();
        Assert.NotEqual(expected, Reply(more, Greedy));
    }

    [Fact]
    public void An_interrupted_reply_leaves_the_engine_usable()
    {
        var prompt = Tokenizer.Encode("hello there");
        var expected = Fresh(prompt, Greedy).Text;
        _ = Pieces(prompt, Greedy).First();
        using var cancel = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (var _ in Pieces(prompt, Greedy, cancel.Token)) cancel.Cancel();
        });
        Assert.Equal(expected, Reply(prompt, Greedy));
    }
}
