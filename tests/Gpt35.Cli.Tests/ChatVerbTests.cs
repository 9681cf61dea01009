using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Tests;

public sealed class ChatVerbTests : IDisposable
{
    private static readonly ChatFormat Format = ChatFormat.ChatMl;
    private readonly TemporaryFolder folder = new();
    private readonly Tokenizer tokenizer = BpeTrainer.Train(
        ["some text"], new BpeTrainerOptions { VocabSize = 270, SpecialTokens = [SpecialTokens.EndOfText, "<|im_start|>", "<|im_end|>"] }, TestContext.Current.CancellationToken);
    private readonly Decoder model;

    public ChatVerbTests()
    {
        var config = new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 16, NumHiddenLayers = 2, NumAttentionHeads = 2, MaxPositionEmbeddings = 160, InitializerRange = 0.3f };
        model = Decoder.Create(config, 1, WorkerPool.Shared);
        ModelFolder.Save(folder["model"], model, tokenizer, new ModelCard { Stage = "sft", ChatFormat = Format.Name, EndOfTurn = Format.End });
    }

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    /// <summary>The answer that a fresh engine gives to the whole conversation.</summary>
    private string Answer(params Message[] turns) => new InferenceEngine(model, 1, tokenizer).Generate(
        [Format.RenderPrompt(turns, tokenizer)], new SamplingOptions { Temperature = 0, MaxTokens = 9, StopTokens = Format.StopTokens(tokenizer) }, TestContext.Current.CancellationToken)[0].Text!;

    [Fact]
    public void Every_answer_is_that_to_the_whole_conversation()
    {
        var system = Message.System("be kind");
        var first = Answer(system, Message.User("hello"));
        var second = Answer(system, Message.User("hello"), Message.Assistant(first), Message.User("and now?"));
        using var terminal = new Terminal("hello\nand now?\n/reset\nhello\n/nonsense\n/quit\nhello\n");
        Assert.Equal(0, terminal.Run("chat", folder["model"], "--system", "be kind", "--greedy", "--max-tokens", "9", "-q"));
        Assert.Equal(string.Concat(new[] { first, second, first }.Select(answer => answer + Environment.NewLine)), terminal.Out);
        Assert.NotEqual(first, second);
        Assert.Contains("There is no /nonsense", terminal.Error);
    }

    [Fact]
    public void A_conversation_that_has_grown_too_long_loses_its_oldest_exchanges()
    {
        Message old = Message.User(new string('q', 60)), question = Message.User(new string('z', 50));
        var (first, last) = (Answer(old), Answer(question));
        using var terminal = new Terminal($"{old.Content}\n{question.Content}\n{new string('x', 170)}\n{question.Content}\n");
        Assert.Equal(0, terminal.Run("chat", folder["model"], "--greedy", "--max-tokens", "9", "-q"));
        Assert.StartsWith(first + Environment.NewLine + last + Environment.NewLine, terminal.Out);
        Assert.Contains("and the model has room for 151. Shorten it.", terminal.Error);
    }

    [Fact]
    public void An_answer_that_is_stopped_stands_as_far_as_it_came_and_the_conversation_goes_on()
    {
        using var terminal = new Terminal("hello\nhello\n");
        var output = new Pressing(terminal.Session.Interrupts, presses: 1);
        Assert.Equal(0, CommandLine.Run(["chat", folder["model"], "--greedy", "--max-tokens", "90", "--min-tokens", "90", "-q"], terminal.Session with { Out = output }));
        var answers = output.ToString().Split(Environment.NewLine);
        Assert.Equal(3, answers.Length);                                 // two, and what is behind the last line end
        Assert.True(answers[0].Length > 0 && answers[1].Length > 0);
        Assert.Empty(terminal.Error);
    }

    /// <summary>Ctrl-C as soon as something is written.</summary>
    private sealed class Pressing(Interrupts interrupts, int presses) : StringWriter
    {
        private int left = presses;

        public override System.Text.Encoding Encoding => System.Text.Encoding.UTF8;

        public override void Write(string? value)
        {
            base.Write(value);
            if (!string.IsNullOrWhiteSpace(value) && left-- > 0) Assert.True(interrupts.Press());
        }
    }
}
