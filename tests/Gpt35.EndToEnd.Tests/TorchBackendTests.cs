using System.Text.Json.Nodes;

namespace Gpt35.EndToEnd.Tests;

/// <summary>Every stage on the torch backend, through the command line and the plug-in that the build of this clone has left.</summary>
public class TorchBackendTests(TorchBackendTests.Prepared prepared) : IClassFixture<TorchBackendTests.Prepared>
{
    private const string Small = "optimizer.lr=5e-3";

    /// <summary>A corpus and a tokenizer.</summary>
    public sealed class Prepared : IDisposable
    {
        private readonly TemporaryFolder folder = new();

        public Prepared()
        {
            Run("data", "synth", "--out", this["data"], "--seed", "5", "--documents", "60", "--heldout-documents", "6", "--demonstrations", "40",
                "--heldout-demonstrations", "6", "--feedback-prompts", "12", "--heldout-prompts-per-kind", "1", "--heldout-refusal-prompts", "1");
            Run("tokenizer", "train", this["data/text.jsonl"], "--vocab-size", "400", "--out", this["tokenizer"]);
        }

        public string this[string name] => folder[name];

        /// <summary>Runs a command line that has to end well.</summary>
        public void Run(params string[] args)
        {
            using var terminal = new Terminal();
            var code = terminal.Run(args);
            Assert.True(code == 0, $"{string.Join(' ', args)}\n{terminal.Error}");
        }

        public void Pretrain(string run, params string[] more) => Run(
        [
            "pretrain", "recipes/quickstart/pretrain.yaml", "--out", this[run], "--threads", "1", "--set", $"tokenizer={this["tokenizer"]}",
            "--set", $"data.train={this["data/text.jsonl"]}", "--set", $"data.heldout={this["data/text-heldout.jsonl"]}", "--set", "heldout_tokens=500", "--set", "steps=6",
            "--set", "eval_every=3", "--set", "batch.tokens=512", "--set", "model.hidden_size=32", "--set", "model.num_hidden_layers=2", "--set", "model.num_attention_heads=2",
            "--set", "model.max_position_embeddings=160", "--set", Small, .. more,
        ]);

        public void Dispose() => folder.Dispose();
    }

    [Fact]
    public void Pre_training_on_torch_follows_the_losses_of_cpu()
    {
        RequireTorch();
        prepared.Pretrain("on-cpu");
        prepared.Pretrain("on-torch", "--backend", "torch");
        var (cpu, torch) = (Losses("on-cpu"), Losses("on-torch"));
        Assert.Equal(6, cpu.Count);
        for (var step = 0; step < cpu.Count; step++) Assert.Equal(cpu[step], torch[step], 1e-3);
        Assert.Contains("backend: torch", File.ReadAllText(prepared["on-torch/recipe.yaml"]));
        Assert.Contains("dtype: fp32", File.ReadAllText(prepared["on-torch/recipe.yaml"]));
    }

    [Fact]
    public void Every_stage_trains_on_torch_in_bf16_and_its_models_are_as_any()
    {
        RequireTorch();
        string[] torch = ["--backend", "torch", "--dtype", "bf16"];
        prepared.Pretrain("base", torch);
        prepared.Run(["sft", "recipes/quickstart/sft.yaml", "--out", prepared["sft"], "--set", $"init={prepared["base/model"]}", "--set", $"data.train={prepared["data/demonstrations.jsonl"]}",
            "--set", $"data.heldout={prepared["data/demonstrations-heldout.jsonl"]}", "--set", "text_mix=null", "--set", "epochs=1", "--set", "batch.tokens=1024", "--set", Small, "--threads", "1", .. torch]);
        File.WriteAllLines(prepared["rankings.jsonl"], Enumerable.Range(1, 8).Select(i => $"{{\"prompt\": \"Count to {i}.\", \"completions\": [\"{i}\", \"A cat.\"], \"ranks\": [1, 2]}}"));
        prepared.Run(["reward", "recipes/quickstart/reward.yaml", "--out", prepared["reward"], "--set", $"init={prepared["sft/model"]}", "--set", $"data.train={prepared["rankings.jsonl"]}",
            "--set", "data.heldout=[]", "--set", "data.heldout_fraction=0.2", "--set", $"demonstrations={prepared["data/demonstrations-heldout.jsonl"]}", "--set", "prompts_per_step=4", "--threads", "1", .. torch]);
        prepared.Run(["ppo", "recipes/quickstart/ppo.yaml", "--out", prepared["ppo"], "--set", $"init={prepared["sft/model"]}", "--set", $"reward_model={prepared["reward/model"]}",
            "--set", $"data.train={prepared["data/prompts-feedback.jsonl"]}", "--set", $"ptx.train={prepared["data/text.jsonl"]}", "--set", "iterations=1", "--set", "rollout_prompts=6", "--set", "max_tokens=8",
            "--set", "minibatches=1", "--threads", "1", .. torch]);
        foreach (var stage in (string[])["base", "sft", "reward", "ppo"]) Assert.Contains("dtype: bf16", File.ReadAllText(prepared[$"{stage}/recipe.yaml"]));
        // The policy that sampled and the one that is trained are one set of weights, and its first log-probabilities are the old ones.
        var row = JsonNode.Parse(File.ReadLines(prepared["ppo/metrics.jsonl"]).First())!;
        Assert.Equal(0, (double)row["first_ratio_gap"]!);
        Assert.InRange((double)row["sampler_gap"]!, 0, 0.1);                    // cpu in fp32 samples, torch in bf16 scores
        prepared.Run("generate", prepared["ppo/model"], "The", "--max-tokens", "4");
    }

    [Fact]
    public void A_backend_or_type_that_there_is_not_is_refused_with_those_there_are()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("pretrain", "recipes/quickstart/pretrain.yaml", "--out", prepared["refused-too"], "--set", "tokenizer=x", "--set", "data.train=y", "--backend", "tpu"));
        Assert.Contains("backend is \"tpu\"; expected one of cpu, torch", terminal.Error);
        Assert.Equal(2, terminal.Run("pretrain", "recipes/quickstart/pretrain.yaml", "--out", prepared["refused-too"], "--set", "tokenizer=x", "--set", "data.train=y", "--dtype", "fp8"));
        Assert.Contains("dtype is \"fp8\"; expected one of fp32, bf16", terminal.Error);
    }

    private List<double> Losses(string run) => [.. File.ReadLines(prepared[$"{run}/metrics.jsonl"]).Select(line => (double)JsonNode.Parse(line)!["loss"]!)];

    /// <summary>Skips where libtorch is not built for this machine, with what the program says of it.</summary>
    private void RequireTorch()
    {
        using var terminal = new Terminal();
        var code = terminal.Run("pretrain", "recipes/quickstart/pretrain.yaml", "--out", prepared[$"probe-{Guid.NewGuid():N}"], "--set", $"tokenizer={prepared["tokenizer"]}",
            "--set", $"data.train={prepared["data/text.jsonl"]}", "--set", $"data.heldout={prepared["data/text-heldout.jsonl"]}", "--set", "steps=1", "--set", "heldout_tokens=100",
            "--set", "model.hidden_size=8", "--set", "model.num_attention_heads=1", "--set", "model.num_hidden_layers=1", "--set", "batch.tokens=64", "--backend", "torch", "--threads", "1");
        if (code != 0) Assert.Skip(terminal.Error);
    }
}
