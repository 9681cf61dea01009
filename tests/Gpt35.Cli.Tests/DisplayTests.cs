using System.Text.RegularExpressions;
using Gpt35.Cli.Terminal;
using Gpt35.Training;

namespace Gpt35.Cli.Tests;

/// <summary>How a run looks while it runs.</summary>
public partial class DisplayTests
{
    private static readonly Dictionary<string, double> Metrics = new() { ["loss"] = 2.3456, ["tokens_per_second"] = 41234, ["lr"] = 1e-3 };

    [Fact]
    public void A_terminal_that_is_gone_is_no_reason_to_fail()
    {
        using var writer = new TerminalWriter(new ClosedTerminal());
        writer.Write('a');
        writer.Write("text");
        writer.WriteLine("line");
        writer.WriteLine();
        writer.Flush();
    }

    [Fact]
    public void Redirected_output_gets_the_first_step_then_a_line_every_five_seconds_then_the_last()
    {
        var (output, time) = (new StringWriter(), new ManualTime());
        var display = new PlainDisplay(output, time);
        display.Started("pretrain", 100, "1.2M parameters");
        for (var step = 1; step <= 100; step++)
        {
            time.Advance(0.5);
            display.Step(step, Metrics);
        }
        var lines = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("1.2M parameters", lines[0]);
        Assert.Equal("pretrain  1/100  loss 2.346  41k tok/s", lines[1]);
        Assert.Equal("pretrain  11/100  loss 2.346  41k tok/s  0:44 left", lines[2]);
        Assert.Equal("pretrain  100/100  loss 2.346  41k tok/s", lines[^1]);
        Assert.Equal(1 + 10 + 1, lines.Length);
    }

    [Fact]
    public void A_resumed_run_judges_its_pace_by_the_steps_it_made_itself()
    {
        var time = new ManualTime();
        var pace = new Pace(time, 1000);
        pace.Reached(901);
        time.Advance(10);
        pace.Reached(911);
        Assert.Equal(89, pace.Left!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void Nothing_is_said_about_the_time_left_after_one_step()
    {
        var pace = new Pace(new ManualTime(), 10);
        pace.Reached(1);
        Assert.Null(pace.Left);
    }

    [Theory]
    [InlineData(60)]
    [InlineData(80)]
    [InlineData(200)]
    public void The_live_line_stays_within_the_terminal(int width)
    {
        using var terminal = new Tests.Terminal(width: width, live: true);
        LiveDisplay.Show(terminal.Session, display =>
        {
            display.Started("pretrain", 100_000, "1.2M parameters, 4.1M tokens of text, 512 tokens of context, and more to say");
            for (var step = 1; step <= 3; step++)
            {
                terminal.Clock.Advance(1);
                display.Step(99_990 + step, new Dictionary<string, double>(Metrics) { ["accuracy"] = 0.5, ["reward"] = -1.25, ["kl_per_token"] = 0.0123 });
            }
            display.Note("A note with [brackets] in it.");
            return 0;
        });
        var rows = Escapes().Replace(terminal.Out, "").Split(['\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        // A description may wrap; a line that is drawn over itself may not.
        var drawn = rows.Where(row => row.StartsWith("pretrain ")).ToList();
        Assert.All(drawn, row => Assert.True(row.Length < width, $"{row.Length} columns: {row}"));
        Assert.Contains(drawn, row => row.Contains("99993/100000  loss 2.346  ") && row.EndsWith("0:07 left"));
        Assert.Contains("A note with [brackets] in it.", rows);
    }

    [Fact]
    public void A_stage_that_fails_before_it_begins_draws_nothing()
    {
        using var terminal = new Tests.Terminal(live: true);
        Assert.Throws<InvalidDataException>(() => LiveDisplay.Show<int>(terminal.Session, _ => throw new InvalidDataException()));
        Assert.Empty(terminal.Out);
    }

    [Fact]
    public void Json_lines_hold_every_metric_and_null_for_what_is_no_number()
    {
        var output = new StringWriter();
        IRunObserver display = new JsonDisplay(output);
        display.Started("sft", 2, "x");
        display.Step(1, new Dictionary<string, double> { ["loss"] = 1.5, ["lr"] = double.NaN });
        var lines = output.ToString().Split('\n');
        Assert.Equal("""{"event":"started","stage":"sft","total_steps":2,"description":"x"}""", lines[0]);
        Assert.Equal("""{"event":"step","step":1,"loss":1.5,"lr":null}""", lines[1]);
    }

    [Theory]
    [InlineData(7, "0:07")]
    [InlineData(201, "3:21")]
    [InlineData(3765, "1:02:45")]
    public void Durations_read_like_a_clock(double seconds, string text) => Assert.Equal(text, Wording.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0, "0.000")]
    [InlineData(0.0021, "0.0021")]
    [InlineData(2.3146, "2.315")]
    [InlineData(-12.54, "-12.5")]
    [InlineData(1234.5, "1,234")]
    public void Numbers_have_three_or_four_digits(double value, string text) => Assert.Equal(text, Wording.Number(value));

    [GeneratedRegex(@"\x1b\[[0-9;?]*[A-Za-z]")]
    private static partial Regex Escapes();

    /// <summary>What writes to a closed terminal answer.</summary>
    private sealed class ClosedTerminal : StringWriter
    {
        public override void Write(char value) => throw new IOException("Input/output error");
        public override void Write(string? value) => throw new IOException("Input/output error");
        public override void WriteLine(string? value) => throw new IOException("Input/output error");
        public override void Write(char[] buffer, int index, int count) => throw new IOException("Input/output error");
        public override void Flush() => throw new IOException("Input/output error");
    }
}
