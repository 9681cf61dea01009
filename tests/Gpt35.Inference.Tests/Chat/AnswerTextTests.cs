namespace Gpt35.Inference.Tests.Chat;

public sealed class AnswerTextTests
{
    [Theory]
    [InlineData(" ", "", "Hello", " ", "Hel", "lo")]
    [InlineData("\n\n", "", "Hello", "\n", "\nHello")]
    [InlineData("\n\n", "", "\nHello", "\n", "Hello")]
    [InlineData("\n\n", "", "\n", "\n")]
    [InlineData("", "", "Hello", "Hello")]
    [InlineData("ab", "", "b", "abb")]
    [InlineData(" ", " ", "Hello you", " Hello", " ", "you", " ")]
    [InlineData(" ", " ", "Hello ", " Hello ", " ")]
    [InlineData("", "xyx", "xy", "x", "yx", "yx")]
    [InlineData("", "xyx", "xyxy", "x", "yx", "y")]
    [InlineData("a", "a", "", "a", "a")]
    [InlineData("a", "a", "", "a")]
    [InlineData("ab", "b", "a", "a")]
    public void What_stands_before_and_behind_an_answer_is_not_shown_and_everything_else_is(string lead, string tail, string shown, params string[] pieces)
    {
        var text = new AnswerText(lead, tail);
        Assert.Equal(shown, string.Concat(pieces.Select(text.Push)) + text.Flush());
        var letterByLetter = new AnswerText(lead, tail);
        Assert.Equal(shown, string.Concat(string.Concat(pieces).Select(letter => letterByLetter.Push(letter.ToString()))) + letterByLetter.Flush());
    }

    [Fact]
    public void Only_what_may_yet_be_dropped_is_held_back()
    {
        var text = new AnswerText("\n\n", " .");
        Assert.Equal(["", "", "yes", "", " or", "", " ", " .no"], new[] { "\n", "\n", "yes", " ", "or", " ", " ", ".no" }.Select(text.Push));
    }
}
