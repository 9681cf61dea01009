using System.Text.Json;
using System.Text.Json.Nodes;
using Gpt35.Kernels;
using Gpt35.Tokenization;

namespace Gpt35.Training.Tests;

/// <summary>A folder with a tokenizer and data of every kind, and recipes that run through all stages in a moment.</summary>
public sealed class TinyRun : IDisposable
{
    private static readonly string[] Animals = ["cat", "dog", "cow", "hen", "owl"], Colours = ["red", "blue", "green", "white"];

    public TinyRun()
    {
        Root = Directory.CreateTempSubdirectory("gpt35-training-").FullName;
        var documents = (from animal in Animals from colour in Colours from place in (string[])["hill", "lake", "barn"] select $"The {animal} is {colour}. It is at the {place}.").ToList();
        File.WriteAllText(In("text.txt"), string.Join("\n<|endoftext|>\n", documents));
        BpeTrainer.Train(documents, new BpeTrainerOptions { VocabSize = 300 }).Save(Directory.CreateDirectory(In("tokenizer")).FullName);
        var facts = (from animal in Animals from colour in Colours select (Prompt: $"{animal} {colour}?", Good: "yes", Bad: "no")).ToList();
        Lines("demonstrations.jsonl", facts.Select(fact => new JsonObject { ["prompt"] = fact.Prompt, ["completion"] = fact.Good }));
        Lines("rankings.jsonl", facts.Select(fact => new JsonObject
        {
            ["prompt"] = fact.Prompt,
            ["completions"] = new JsonArray(fact.Bad, fact.Good, "red"),
            ["ranks"] = new JsonArray(2, 1, 3),
        }));
        Lines("prompts.jsonl", facts.Select(fact => new JsonObject { ["prompt"] = fact.Prompt }));
        Pretrain = new PretrainRecipe
        {
            Tokenizer = In("tokenizer"),
            Model = new ModelShape { HiddenSize = 16, NumHiddenLayers = 1, NumAttentionHeads = 2, MaxPositionEmbeddings = 64, ResidDropout = 0.1 },
            Data = new DataOptions { Train = [In("text.txt")], HeldoutFraction = 0.2 },
            Batch = new BatchOptions { Tokens = 256, MicroTokens = 128 },
            Steps = 8,
            Optimizer = new OptimizerOptions { Lr = 0.01, WarmupSteps = 2, WeightDecay = 0.1 },
            EvalEvery = 4,
        };
        Sft = new SftRecipe
        {
            Init = ModelOf("pretrain"),
            Data = new DataOptions { Train = [In("demonstrations.jsonl")], HeldoutFraction = 0.2 },
            Batch = new BatchOptions { Tokens = 128 },
            Epochs = 3,
            ResidDropout = 0.2,
            Optimizer = new OptimizerOptions { Lr = 0.01 },
        };
        Reward = new RewardRecipe
        {
            Init = ModelOf("sft"),
            Data = new DataOptions { Train = [In("rankings.jsonl")], HeldoutFraction = 0.2 },
            Demonstrations = [In("demonstrations.jsonl")],
            PromptsPerStep = 4,
            Epochs = 3,
            Optimizer = new OptimizerOptions { Lr = 0.01 },
        };
        Ppo = new PpoRecipe
        {
            Init = ModelOf("sft"),
            RewardModel = ModelOf("reward"),
            Data = new DataOptions { Train = [In("prompts.jsonl")], HeldoutFraction = 0.2 },
            Iterations = 4,
            RolloutPrompts = 8,
            MaxTokens = 6,
            Minibatches = 2,
            KlTarget = 1,
            KlHorizon = 100,
            EntropyCoef = 0.01,
            Ptx = new PtxOptions { Train = [In("text.txt")], Tokens = 128, Coef = 1 },
            Optimizer = new OptimizerOptions { Lr = 0.001 },
            ValueOptimizer = new OptimizerOptions { Lr = 0.001 },
        };
        PretrainSummary = Pretraining.Run(Pretrain, Context("pretrain"));
        SftSummary = SupervisedFineTuning.Run(Sft, Context("sft"));
        RewardSummary = RewardModeling.Run(Reward, Context("reward"));
        PpoSummary = Training.Ppo.Run(Ppo, Context("ppo"));
    }

    public string Root { get; }
    public PretrainRecipe Pretrain { get; }
    public SftRecipe Sft { get; }
    public RewardRecipe Reward { get; }
    public PpoRecipe Ppo { get; }
    public StageSummary PretrainSummary { get; }
    public StageSummary SftSummary { get; }
    public StageSummary RewardSummary { get; }
    public StageSummary PpoSummary { get; }

    public string In(string name) => Path.Combine(Root, name);

    public string ModelOf(string run) => Path.Combine(Root, run, "model");

    internal StageContext Context(string run, bool resume = false, Recorder? observer = null) => new()
    {
        RunFolder = In(run),
        Resume = resume,
        Pool = WorkerPool.Shared,
        Observer = observer ?? new Recorder(),
        Cancel = observer?.Cancel ?? default,
    };

    /// <summary>Runs a stage by name with the recipe of this folder.</summary>
    internal StageSummary Run(string stage, StageContext context) => stage switch
    {
        "pretrain" => Pretraining.Run(Pretrain, context),
        "sft" => SupervisedFineTuning.Run(Sft, context),
        "reward" => RewardModeling.Run(Reward, context),
        "ppo" => Training.Ppo.Run(Ppo, context),
        _ => throw new ArgumentOutOfRangeException(nameof(stage)),
    };

    /// <summary>Metrics of a run without what the clock says.</summary>
    internal List<string> Metrics(string run) => [.. File.ReadLines(Path.Combine(In(run), "metrics.jsonl")).Select(line =>
    {
        var row = JsonNode.Parse(line)!.AsObject();
        foreach (var timed in row.Select(entry => entry.Key).Where(key => key.Contains("second")).ToList()) row.Remove(timed);
        return row.ToJsonString();
    })];

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private void Lines(string name, IEnumerable<JsonObject> rows) => File.WriteAllLines(In(name), rows.Select(row => row.ToJsonString(new JsonSerializerOptions())));
}

/// <summary>Remembers what a run reported, and can interrupt it after a step.</summary>
internal sealed class Recorder(int cancelAfter = 0) : IRunObserver
{
    private readonly CancellationTokenSource source = new();

    public CancellationToken Cancel => source.Token;
    public List<string> Notes { get; } = [];
    public List<int> Steps { get; } = [];
    public int TotalSteps { get; private set; }
    public StageSummary? Summary { get; private set; }

    public void Started(string stage, int totalSteps, string description) => TotalSteps = totalSteps;

    public void Step(int step, IReadOnlyDictionary<string, double> metrics)
    {
        Steps.Add(step);
        if (step == cancelAfter) source.Cancel();
    }

    public void Note(string line) => Notes.Add(line);
    public void Finished(StageSummary summary) => Summary = summary;
}
