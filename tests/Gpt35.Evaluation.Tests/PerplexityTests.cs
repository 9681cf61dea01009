namespace Gpt35.Evaluation.Tests;

public sealed class PerplexityTests
{
    // log ½, log ¼, log ⅛: a target of id 0, 1, 2 costs 1, 2, 3 bits.
    private static readonly float[] Bits = [-0.6931472f, -1.3862944f, -2.0794415f];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Perplexity_is_two_to_the_mean_bits_of_the_scored_tokens()
    {
        using var model = new FakeModel(Bits);
        // Scored: 1 (2 bits), 2 (3 bits) and 0 (1 bit); the first token of a window is not scored.
        var result = Perplexity.Measure(model, [[0, 1, 2], [2, 0]], bytes: 12, cancel: Cancel);

        Assert.Equal(3, result.Tokens);
        Assert.Equal(2 * Math.Log(2), result.NatsPerToken, 6);
        Assert.Equal(4, result.Value, 5);
        Assert.Equal(0.5, result.BitsPerByte!.Value, 6);
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(5, 2)]
    [InlineData(8, 1)]
    public void Batches_hold_as_many_windows_as_fit_and_do_not_change_the_result(int tokensPerBatch, int batches)
    {
        using var model = new FakeModel(Bits);
        var result = Perplexity.Measure(model, [[0, 1, 2], [2, 0], [1, 1, 1]], tokensPerBatch: tokensPerBatch, cancel: Cancel);

        Assert.Equal(batches, model.Batches.Count);
        Assert.Equal(5, result.Tokens);
        Assert.Equal(2 * Math.Log(2), result.NatsPerToken, 6);
        Assert.Null(result.BitsPerByte);
    }

    [Fact]
    public void Text_without_a_token_to_score_is_an_error_that_says_so()
    {
        using var model = new FakeModel(Bits);
        var error = Assert.Throws<InvalidDataException>(() => Perplexity.Measure(model, [[1]], cancel: Cancel));
        Assert.Contains("held-out text", error.Message);
    }
}
