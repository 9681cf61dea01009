using Gpt35.Data;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Tests;

public sealed class ConvertVerbTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Model()
    {
        var tokenizer = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 270 }, TestContext.Current.CancellationToken);
        var config = new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 32, NumHiddenLayers = 1, NumAttentionHeads = 1, MaxPositionEmbeddings = 64, IntermediateSize = 32, InitializerRange = 0.1f };
        using var model = Decoder.Create(config, 1, WorkerPool.Shared);
        ModelFolder.Save(folder["model"], model, tokenizer, new ModelCard { Stage = "sft", ChatFormat = "chatml", EndOfTurn = SpecialTokens.ImEnd });
        return folder["model"];
    }

    [Fact]
    public void A_folder_becomes_a_gguf_file_that_answers_alike_and_a_folder_again()
    {
        var model = Model();
        Assert.Equal("", Run("convert", model, folder["m.gguf"], "--quiet"));
        Run("convert", folder["m.gguf"], folder["back"]);
        var said = Run("generate", model, "hello", "--temperature", "0", "--max-tokens", "9");
        Assert.Equal(said, Run("generate", folder["m.gguf"], "hello", "--temperature", "0", "--max-tokens", "9"));
        Assert.Equal(File.ReadAllBytes(folder["model/model.safetensors"]), File.ReadAllBytes(folder["back/model.safetensors"]));
        using var file = GgufFile.Open(folder["m.gguf"]);
        Assert.Contains("<|im_start|>assistant", file.Metadata.Text("tokenizer.chat_template"));
        Assert.Equal(SpecialTokens.ImEnd, file.Metadata.Array<string>("tokenizer.ggml.tokens")[file.Metadata.Integer("tokenizer.ggml.eot_token_id")]);
    }

    [Fact]
    public void The_type_is_kept_unless_another_is_asked_for()
    {
        var model = Model();
        Assert.EndsWith("q8_0", Run("convert", model, folder["q"], "--to", "gguf", "--dtype", "q8_0").Trim());
        Assert.EndsWith("q8_0", Run("convert", folder["q"], folder["q2.gguf"]).Trim());
        Assert.EndsWith("f32", Run("convert", folder["q"], folder["f"]).Trim());
    }

    [Theory]
    [InlineData("--dtype q4_0", "is a type of GGUF")]
    [InlineData("--dtype q5_0", "q5_0")]
    [InlineData("--to onnx", "onnx")]
    [InlineData("--context 0", "at least 1")]
    [InlineData("--tokenizer nothing", "nothing: no such file")]
    public void What_cannot_be_is_refused_and_nothing_is_written(string options, string named)
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run(["convert", Model(), folder["out"], .. options.Split(' ')]));
        Assert.Contains(named, terminal.Error);
        Assert.False(Path.Exists(folder["out"]));
    }

    [Fact]
    public void What_is_there_is_not_overwritten()
    {
        File.WriteAllText(folder["m.gguf"], "mine");
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("convert", Model(), folder["m.gguf"]));
        Assert.Equal("mine", File.ReadAllText(folder["m.gguf"]));
    }

    [Fact]
    public void Something_else_is_refused_by_its_content()
    {
        File.WriteAllText(folder["m.gguf"], "no model");
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", folder["m.gguf"], "hello"));
        Assert.Contains("neither a GGUF file", terminal.Error);
    }

    private static string Run(params string[] args)
    {
        using var terminal = new Terminal();
        Assert.True(terminal.Run(args) == 0, terminal.Error);
        return terminal.Out;
    }
}
