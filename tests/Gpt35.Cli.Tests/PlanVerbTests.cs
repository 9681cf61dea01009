using System.Text.Json.Nodes;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Tests;

public sealed class PlanVerbTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Without_an_argument_every_preset_is_listed()
    {
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("plan"));
        foreach (var preset in ModelPreset.All) Assert.Contains(preset.Name + " ", terminal.Out);
        Assert.Contains("174,604,259,328", terminal.Out);
        Narrow(terminal);
    }

    [Fact]
    public void A_preset_on_a_named_machine_shows_memory_operations_time_and_cost()
    {
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("plan", "gpt3-1.3b", "--machine", "a100", "--dtype", "bf16", "--devices", "8", "--price", "2"));
        foreach (var text in (string[])["1,315,723,264 parameters", "16 heads of 128", "weights", "optimizer", "activations", "key/value cache", "Fits: a100 has 80.0 GiB", "8 × a100", "compute-optimal", "cost"])
            Assert.Contains(text, terminal.Out);
        Narrow(terminal);
    }

    [Theory]
    [InlineData("gpt3-175b")]
    [InlineData("gpt-3.5-turbo-0125")]
    [InlineData("llama-2-7b")]
    [InlineData("laptop-1m")]
    public void Every_plan_fits_into_eighty_columns(string preset)
    {
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("plan", preset, "--machine", "t4", "--devices", "1024", "--price", "3.5", "--tokens", "1e12"));
        Narrow(terminal);
        if (preset.StartsWith("gpt-3.5", StringComparison.Ordinal)) Assert.Contains("ASSUMED", terminal.Out);
    }

    [Fact]
    public void What_does_not_fit_says_what_would_help()
    {
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("plan", "gpt3-13b", "--machine", "a100"));
        Assert.Contains("Does not fit", terminal.Out);
        Assert.Contains("lora: {rank: 8}", terminal.Out);
        Assert.Contains("the preset gpt3-2.7b", terminal.Out);
    }

    [Fact]
    public void The_json_holds_the_same_numbers_for_programs()
    {
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("plan", "gpt3-125m", "--machine", "a100", "--batch", "4", "--context", "512", "--tokens", "1e9", "--price", "2", "--json"));
        var json = JsonNode.Parse(terminal.Out)!;
        Assert.Equal(125_226_240, (long)json["parameters"]!);
        Assert.Equal(4 * 125_226_240L, (long)json["memory"]![0]!["weights"]!);
        Assert.Equal((2048, 512), ((int)json["pass_tokens"]!, (int)json["context"]!));
        // Keys and values: 2 · 12 layers · 4 sequences · 512 tokens · 768 floats.
        Assert.Equal(4L * 2 * 12 * 4 * 512 * 768, (long)json["memory"]![1]!["kv_cache"]!);
        var training = json["training"]![0]!;
        Assert.Equal(1e9 * (double)json["flops_per_token"]!["training"]!, (double)training["flops"]!);
        Assert.Equal((double)training["flops"]! / (0.4 * 19.5e12), (double)training["seconds"]!, 1e-3);
        Assert.Equal((double)training["seconds"]! / 3600 * 2, (double)training["cost"]!, 1e-6);
        Assert.Equal(1, (double)json["paper_flops"]! / 2.25e20, 0.01);
    }

    [Fact]
    public void A_recipe_is_planned_with_its_own_tokenizer_and_this_machine()
    {
        using var terminal = new Terminal();
        var recipe = folder.Write("r.yaml", "tokenizer: r50k_base\nmodel: {preset: laptop-1m}\ndata: {train: x.txt}\nbatch: {tokens: 512, micro_tokens: 256}\nsteps: 10\noptimizer: {lr: 1e-3}\n");
        Assert.Equal(0, terminal.Run("plan", recipe, "--set", "steps=20", "--json"));
        var json = JsonNode.Parse(terminal.Out)!;
        Assert.Equal("pretrain", (string)json["kind"]!);
        Assert.Equal(20 * 512, (double)json["training"]![0]!["tokens"]!);
        Assert.Equal(1_088_256 + (50257 - 2048) * 128, (long)json["parameters"]!);
        Assert.Equal("this machine", (string)json["machine"]!["name"]!);
        Assert.True((double)json["machine"]!["flops_per_second"]! > 0);
        Assert.True((bool)json["fits"]!);
    }

    [Fact]
    public void A_model_folder_is_planned_from_its_configuration_alone()
    {
        using var terminal = new Terminal();
        File.Delete(Path.Combine(Base(), "model.safetensors"));
        Assert.Equal(0, terminal.Run("plan", folder["base"], "--machine", "t4"));
        Assert.Contains("1 layers, width 8", terminal.Out);
    }

    [Theory]
    [InlineData("'gpt3-125'", "Did you mean 'gpt3-125m'", "plan", "gpt3-125")]
    [InlineData("machine", "there is no machine \"a1000\"", "plan", "gpt3-125m", "--machine", "a1000")]
    [InlineData("context", "2048 learned positions", "plan", "gpt3-125m", "--context", "4096")]
    [InlineData("set", "--set changes a recipe", "plan", "gpt3-125m", "--set", "a=1")]
    [InlineData("recipe", "no such file", "plan", "nowhere.yaml")]
    public void A_mistake_is_answered_with_what_to_type(string about, string message, params string[] args)
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run(args));
        Assert.True(terminal.Error.Contains(message, StringComparison.Ordinal), $"{about}: {terminal.Error}");
    }

    [Fact]
    public void A_merged_adapter_generates_as_the_adapter_did()
    {
        Base();
        using (var loaded = ModelFolder.Load(folder["base"], WorkerPool.Shared))
        using (var adapted = loaded.Model.Adapt(new LoraConfig { Rank = 2, Alpha = 64, Targets = [LoraTarget.CAttn, LoraTarget.Down] }, 0, 5, folder["base"]))
        {
            var values = adapted.Parameters.Values;
            for (var i = 0; i < values.Length; i++) values[i] += 0.5f * CounterRandom.Normal(3, (ulong)i);
            ModelFolder.Save(folder["adapter"], adapted, loaded.Tokenizer, loaded.Card);
        }
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("merge-lora", folder["base"], folder["adapter"], folder["merged"]));
        string Text(string model)
        {
            using var own = new Terminal();
            Assert.Equal(0, own.Run("generate", folder[model], "some", "--max-tokens", "12", "--temperature", "0"));
            return own.Out;
        }
        Assert.Equal(Text("adapter"), Text("merged"));
        Assert.NotEqual(Text("base"), Text("merged"));

        Assert.Equal(2, terminal.Run("merge-lora", folder["adapter"], folder["base"], folder["other"]));
        Assert.Contains("The order is", terminal.Error);
        Assert.Equal(2, terminal.Run("merge-lora", folder["base"], folder["base"], folder["other"]));
        Assert.Contains("nothing to merge", terminal.Error);
        Assert.Equal(2, terminal.Run("merge-lora", folder["base"], folder["adapter"], folder["merged"]));
        Assert.Contains("not empty", terminal.Error);
    }

    private string Base()
    {
        var tokenizer = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 270, SpecialTokens = [SpecialTokens.EndOfText] }, TestContext.Current.CancellationToken);
        var config = new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 8, NumHiddenLayers = 1, NumAttentionHeads = 1, MaxPositionEmbeddings = 64, IntermediateSize = 8, InitializerRange = 0.3f };
        using var model = Decoder.Create(config, 1, WorkerPool.Shared);
        ModelFolder.Save(folder["base"], model, tokenizer, new ModelCard { Stage = "pretrain" });
        return folder["base"];
    }

    private static void Narrow(Terminal terminal) => Assert.All(terminal.Out.Split('\n'), line => Assert.True(line.Length <= 80, $"{line.Length} columns: {line}"));
}
