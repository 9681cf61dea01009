using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training.Tests;

public sealed class LoraStageTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    private static readonly LoraOptions Lora = new() { Rank = 4, Alpha = 8, Targets = ["up", "c_attn"], Rslora = true };

    [Fact]
    public void Fine_tuning_an_adapter_lowers_the_loss_and_leaves_the_base_on_disk_as_it_was()
    {
        var before = Hash(tiny.ModelOf("pretrain"));
        var numbers = Sft("lora-sft").Numbers;
        Assert.True(numbers["heldout_loss_after"] < numbers["heldout_loss_before"], $"{numbers["heldout_loss_before"]} → {numbers["heldout_loss_after"]}");
        Assert.Equal(before, Hash(tiny.ModelOf("pretrain")));
        var folder = tiny.ModelOf("lora-sft");
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors", "gpt35.json", "tokenizer.json"], Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order());
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!;
        Assert.Equal(("LORA", 4, 8, true), ((string)config["peft_type"]!, (int)config["r"]!, (int)config["lora_alpha"]!, (bool)config["use_rslora"]!));
        Assert.Equal(["attn.c_attn", "mlp.c_fc"], config["target_modules"]!.AsArray().Select(name => (string)name!));
    }

    [Fact]
    public void A_run_that_trains_an_adapter_resumes_to_the_same_weights()
    {
        var whole = Sft("lora-whole");
        var stopped = new Recorder(2);
        Assert.Throws<OperationCanceledException>(() => Sft("lora-stopped", observer: stopped));
        Assert.Equal(whole.Steps, Sft("lora-stopped", resume: true).Steps);
        Assert.Equal(tiny.Metrics("lora-whole"), tiny.Metrics("lora-stopped"));
        Assert.Equal(Hash(tiny.ModelOf("lora-whole")), Hash(tiny.ModelOf("lora-stopped")));
    }

    [Fact]
    public void All_stages_go_on_from_adapters_and_the_head_survives_the_file()
    {
        Sft("lora-1");
        var reward = RewardModeling.Run(tiny.Reward with { Init = tiny.ModelOf("lora-1"), Lora = Lora }, tiny.Context("lora-2"));
        Assert.True(reward.Numbers["heldout_loss_after"] < reward.Numbers["heldout_loss_before"]);
        using var judge = ModelFolder.Load(tiny.ModelOf("lora-2"), WorkerPool.Shared);
        Assert.Equal(1, judge.Model.Config.NumScalars);
        Assert.Equal(Path.GetFullPath(tiny.ModelOf("pretrain")), judge.Model.Adapter!.BasePath);
        // The samples were scored before the model was written; the reloaded one gives the same scores.
        var rows = File.ReadLines(Path.Combine(tiny.In("lora-2"), "samples.jsonl")).Select(line => JsonNode.Parse(line)!).ToList();
        var sequences = rows.Select(row => new JudgedSequence(judge.Tokenizer.Encode((string)row["text"]!, Tokenization.SpecialTokenHandling.Allow), 0)).ToList();
        Assert.Equal(rows.Select(row => (float)row["score"]!), RewardModeling.Rewards(judge.Model, sequences, 8192).Select(score => (float)(score + judge.Card.RewardBias)), (a, b) => Math.Abs(a - b) < 1e-5);

        var ppo = Ppo.Run(tiny.Ppo with { Init = tiny.ModelOf("lora-1"), RewardModel = tiny.ModelOf("lora-2"), Lora = Lora }, tiny.Context("lora-3"));
        var first = JsonNode.Parse(File.ReadLines(Path.Combine(tiny.In("lora-3"), "metrics.jsonl")).First())!;
        Assert.Equal(0, (double)first["kl_per_token"]!, 1e-6);                      // the policy starts as the reference, and the two are not one
        Assert.Equal(0, (double)first["first_ratio_gap"]!, 1e-5);
        Assert.True(ppo.Numbers["kl_per_token"] != 0);
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors", "gpt35.json", "tokenizer.json"], Directory.EnumerateFiles(tiny.ModelOf("lora-3")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Without_lora_a_stage_goes_on_from_an_adapter_with_a_whole_model()
    {
        Sft("lora-4");
        var again = SupervisedFineTuning.Run(tiny.Sft with { Init = tiny.ModelOf("lora-4"), Epochs = 1 }, tiny.Context("lora-5"));
        Assert.True(File.Exists(Path.Combine(again.Model, "model.safetensors")));
        using var adapted = ModelFolder.Load(tiny.ModelOf("lora-4"), WorkerPool.Shared);
        using var whole = ModelFolder.Load(again.Model, WorkerPool.Shared);
        Assert.Null(whole.Model.Adapter);
        Assert.Equal(adapted.Model.FrozenCount, whole.Model.Parameters.Count);
    }

    [Fact]
    public void Another_adapter_than_the_one_that_is_there_is_refused_with_what_to_do()
    {
        Sft("lora-6");
        var error = Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Run(
            tiny.Sft with { Init = tiny.ModelOf("lora-6"), Lora = Lora with { Rank = 2 } }, tiny.Context("lora-7")));
        Assert.Contains("merge-lora", error.Message);
        Assert.Contains("rank 2", error.Message);
        Assert.Contains("expected some of c_attn, q, k, v", Assert.Throws<InvalidDataException>(() => new LoraOptions { Targets = ["query"] }.ToConfig(ModelPreset.Get("laptop-1m").Config)).Message);
    }

    private StageSummary Sft(string run, bool resume = false, Recorder? observer = null) =>
        SupervisedFineTuning.Run(tiny.Sft with { Init = tiny.ModelOf("pretrain"), Lora = Lora }, tiny.Context(run, resume, observer));

    private static string Hash(string folder) => string.Concat(Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)
        .Where(file => !file.EndsWith("gpt35.json", StringComparison.Ordinal)).Select(file => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))));
}
