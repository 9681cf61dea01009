using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Gpt35.EndToEnd.Tests;

/// <summary>Data, recipes and an undisturbed run of all four stages, small enough to be run again and again from the command line.</summary>
[CollectionDefinition(nameof(TinyStages))]
public sealed class TinyStages : ICollectionFixture<TinyStages>, IDisposable
{
    /// <summary>How often each run is killed; a thorough check sets GPT35_KILLS=20.</summary>
    public static int Kills { get; } = int.Parse(Environment.GetEnvironmentVariable("GPT35_KILLS") ?? "3");

    public static readonly string[] Stages = ["pretrain", "sft", "reward", "ppo"];

    private readonly TemporaryFolder folder = new(inMemory: true);

    public TinyStages()
    {
        // Enough steps that a run killed again and again, each time after a few checkpoints, is not over before the last kill.
        var steps = 4 + 3 * Kills;
        var facts = Enumerable.Range(1, 24).Select(i => (Prompt: $"How many goats has Tom{i}?", Good: $"{i} goats", Bad: $"{i + 1} apples")).ToList();
        folder.Write("text.txt", string.Join("\n\n", Enumerable.Range(1, 60).Select(i => $"Tom has {i} goats. The goats live by the lake and eat {i + 1} apples.")));
        Lines("demonstrations.jsonl", facts.Select(fact => new JsonObject { ["prompt"] = fact.Prompt, ["completion"] = fact.Good }));
        Lines("rankings.jsonl", facts.Select(fact => new JsonObject { ["prompt"] = fact.Prompt, ["completions"] = new JsonArray(fact.Bad, fact.Good, "no"), ["ranks"] = new JsonArray(2, 1, 3) }));
        Lines("prompts.jsonl", facts.Select(fact => new JsonObject { ["prompt"] = fact.Prompt }));
        Recipe("pretrain", $"""
            tokenizer: {folder["tokenizer"]}
            model: {Braces("hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 96, resid_dropout: 0.1")}
            data: {Braces($"train: [{folder["text.txt"]}], heldout_fraction: 0.2")}
            batch: {Braces("tokens: 400, micro_tokens: 200")}
            steps: {steps}
            optimizer: {Braces("lr: 3e-3, warmup_steps: 2, weight_decay: 0.1")}
            ema: {Braces("decay: 0.9")}
            eval_every: 4
            """);
        Recipe("sft", $"""
            init: {Model("pretrain")}
            data: {Braces($"train: [{folder["demonstrations.jsonl"]}], heldout_fraction: 0.2")}
            batch: {Braces("tokens: 400, micro_tokens: 200")}
            epochs: {steps / 2}
            optimizer: {Braces("lr: 3e-3")}
            skip_outliers: {Braces("z: 6, window: 8")}
            eval_every: 4
            """);
        Recipe("reward", $"""
            init: {Model("sft")}
            data: {Braces($"train: [{folder["rankings.jsonl"]}], heldout_fraction: 0.2")}
            demonstrations: [{folder["demonstrations.jsonl"]}]
            prompts_per_step: 8
            micro_tokens: 600
            epochs: {steps / 2}
            optimizer: {Braces("lr: 3e-3")}
            eval_every: 4
            """);
        Recipe("ppo", $"""
            init: {Model("sft")}
            reward_model: {Model("reward")}
            data: {Braces($"train: [{folder["prompts.jsonl"]}], heldout_fraction: 0.2")}
            iterations: {steps}
            rollout_prompts: 8
            max_tokens: 6
            minibatches: 2
            micro_tokens: 100
            kl_target: 1
            kl_horizon: 100
            ptx: {Braces($"train: [{folder["text.txt"]}], tokens: 200, coef: 1")}
            optimizer: {Braces("lr: 1e-3, eps: 1e-5")}
            value_optimizer: {Braces("lr: 1e-3, eps: 1e-5")}
            eval_every: 4
            """);
        using var terminal = new Terminal();
        Run(terminal, "tokenizer", "train", folder["text.txt"], "--vocab-size", "280", "--out", folder["tokenizer"]);
        foreach (var stage in Stages) Run(terminal, Command(stage, stage, "--set", "checkpoint_every=0"));
    }

    public string this[string name] => folder[name];

    /// <summary>Arguments of a stage that writes into <paramref name="run"/>. Every step is saved: most of a run is then the writing of checkpoints.</summary>
    public string[] Command(string stage, string run, params string[] more) => [stage, folder[$"{stage}.yaml"], "--out", folder[run], .. more];

    public byte[] Weights(string run) => File.ReadAllBytes(folder[$"{run}/model/model.safetensors"]);

    /// <summary>Rows of metrics.jsonl.</summary>
    public List<JsonObject> Metrics(string run) => [.. File.ReadLines(folder[$"{run}/metrics.jsonl"]).Select(line => JsonNode.Parse(line)!.AsObject())];

    /// <summary>Starts the program itself, or something that starts it.</summary>
    /// <param name="arguments">After "gpt35".</param>
    /// <param name="before">What to put before "dotnet gpt35.dll": mpirun with its options.</param>
    public static Process Start(IEnumerable<string> arguments, params string[] before)
    {
        string[] command = [.. before, "dotnet", Path.Combine(AppContext.BaseDirectory, "gpt35.dll"), .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_TieredPGO"] = "0";                      // too short a life for it to pay
        return Process.Start(start)!;
    }

    public void Dispose() => folder.Dispose();

    private static void Run(Terminal terminal, params string[] arguments) => Assert.True(terminal.Run(arguments) == 0, terminal.Error);

    private void Recipe(string stage, string yaml) => folder.Write($"{stage}.yaml", yaml + "\ncheckpoint_every: 1\n");

    private string Model(string run) => folder[$"{run}/model"];

    private static string Braces(string inside) => $"{{ {inside} }}";

    private void Lines(string name, IEnumerable<JsonObject> rows) => folder.Write(name, string.Join('\n', rows.Select(row => row.ToJsonString())));
}
