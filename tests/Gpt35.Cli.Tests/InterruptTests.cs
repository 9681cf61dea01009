namespace Gpt35.Cli.Tests;

public class InterruptTests
{
    [Fact]
    public void The_first_press_is_a_request_and_the_second_is_not_taken_care_of()
    {
        using var interrupts = new Interrupts();
        Assert.True(interrupts.Press());
        Assert.True(interrupts.Token.IsCancellationRequested);
        Assert.False(interrupts.Press());
    }

    [Fact]
    public void What_asks_only_may_ask_again()
    {
        using var interrupts = new Interrupts();
        Assert.True(interrupts.Press(insists: false));
        Assert.True(interrupts.Press(insists: false));
        Assert.True(interrupts.Token.IsCancellationRequested);
    }

    [Fact]
    public void Diverted_presses_leave_the_verb_running()
    {
        using var interrupts = new Interrupts();
        var presses = 0;
        using (interrupts.Divert(() => ++presses > 0))
        {
            Assert.True(interrupts.Press());
            Assert.True(interrupts.Press());
        }
        Assert.Equal(2, presses);
        Assert.False(interrupts.Token.IsCancellationRequested);
        interrupts.Press();
        Assert.True(interrupts.Token.IsCancellationRequested);
    }

    [Fact]
    public void A_closed_terminal_asks_once_however_often_it_is_told()
    {
        using var interrupts = new Interrupts();
        Assert.True(interrupts.HangUp());
        Assert.True(interrupts.HangUp());
        Assert.True(interrupts.Token.IsCancellationRequested);
        Assert.False(interrupts.Press());
    }

    [Fact]
    public void A_verb_that_talks_ends_with_its_terminal()
    {
        using var interrupts = new Interrupts();
        using (interrupts.Divert(() => true)) Assert.False(interrupts.HangUp());
    }
}
