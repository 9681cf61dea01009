using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tests;

namespace Gpt35.Inference.Tests;

/// <summary>PPO samples with the engine and scores with the trainer: the two must see one distribution, to the last bit.</summary>
public sealed class TrainerAgreementTests
{
    private const int Context = 600;

    private static readonly ModelConfig Gpt = new() { VocabSize = 53, HiddenSize = 32, NumHiddenLayers = 3, NumAttentionHeads = 2, MaxPositionEmbeddings = Context };

    private static readonly ModelConfig Llama = Gpt.AsLlama() with
    {
        NumAttentionHeads = 6,
        NumKeyValueHeads = 2,
        HeadDim = 10,
    };

    /// <summary>Both families; windows within a section, of one, and over several, in all layers and in every other.</summary>
    private static readonly Dictionary<string, ModelConfig> s_models = new()
    {
        ["gpt"] = Gpt,
        ["gpt, banded"] = Gpt with { SlidingWindow = 40, SlidingWindowPattern = 2 },
        ["llama"] = Llama,
        ["llama, window 257"] = Llama with { SlidingWindow = 257 },
        ["gpt, four heads share one"] = Gpt with { NumAttentionHeads = 4, NumKeyValueHeads = 1, SlidingWindow = 300 },
    };

    public static TheoryData<string> Models => [.. s_models.Keys];

    [Theory, MemberData(nameof(Models))]
    public void Log_probabilities_of_rollouts_and_scores_have_the_bits_of_the_trainers_forward_pass(string name)
    {
        using var pool = new WorkerPool(2);
        using var model = Sharp(s_models[name], pool);
        Assert.InRange(LargestWeight(model), 0.8, 1);

        using var engine = new InferenceEngine(model, new EngineOptions { MaxSequences = 3, TokensPerStep = 100 });
        int[][] prompts = [Ids(1), Ids(250), Ids(33), Ids(540)];
        var sampling = new SamplingOptions { MaxTokens = 20, Temperature = 0.7, Seed = 5 };
        var completions = engine.Generate(prompts, sampling);
        int[][] texts = [.. prompts.Zip(completions, (prompt, completion) => (int[])[.. prompt, .. completion.Tokens])];
        var batch = new TokenBatchBuilder();
        foreach (var (text, prompt) in texts.Zip(prompts)) batch.AddCompletion(text, prompt.Length);
        var rollouts = batch.Build();

        var trained = model.Forward(rollouts, new ForwardRequest { LogProb = true, Entropy = true, ForBackward = true, Temperature = 0.7f }).LogProb.ToArray();
        Assert.Equal(trained, completions.SelectMany(completion => completion.LogProbs));
        Assert.True(trained.Distinct().Count() > trained.Length / 2);

        trained = model.Forward(rollouts, new ForwardRequest { LogProb = true }).LogProb.ToArray();
        var scores = engine.Score([.. texts.Zip(prompts, (text, prompt) => new ScoringRequest(text, prompt.Length))]);
        Assert.Equal(trained, scores.SelectMany(score => score.Chosen));
    }

    [Fact]
    public void So_have_those_of_a_policy_with_an_adapter()
    {
        using var pool = new WorkerPool(2);
        using var model = Sharp(Llama, pool);
        var adapter = LoraAdapter.Create(Llama, new LoraConfig { Rank = 3, Alpha = 6, Targets = [LoraTarget.Q, LoraTarget.V, LoraTarget.Down] }, seed: 1);
        for (var i = 0; i < adapter.Parameters.Values.Length; i++) adapter.Parameters.Values[i] += 0.3f * CounterRandom.Normal(1, (ulong)i);
        using var policy = model.WithAdapter(adapter);
        using var engine = new InferenceEngine(policy);
        int[][] prompts = [Ids(270), Ids(9)];
        var completions = engine.Generate(prompts, new SamplingOptions { MaxTokens = 12, Seed = 2 });
        var batch = new TokenBatchBuilder();
        foreach (var (prompt, completion) in prompts.Zip(completions)) batch.AddCompletion([.. prompt, .. completion.Tokens], prompt.Length);
        Assert.Equal(policy.Forward(batch.Build(), new ForwardRequest { LogProb = true }).LogProb.ToArray(), completions.SelectMany(completion => completion.LogProbs));
    }

    /// <summary>Weights as large as training makes them: attention and predictions are peaked, and rounding has something to work on.</summary>
    private static Decoder Sharp(ModelConfig config, WorkerPool pool)
    {
        var model = Decoder.Create(config, seed: 3, pool);
        var values = model.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.7f * CounterRandom.Normal(17, (ulong)i);
        return model;
    }

    /// <summary>The largest probability that the model gives any token of a text.</summary>
    private static double LargestWeight(Decoder model) =>
        Math.Exp(new InferenceEngine(model).Score([new ScoringRequest(Ids(40)) { TopLogProbs = 1 }])[0].Top.Max(top => top[0].LogProb));

    private static int[] Ids(int count) => [.. Enumerable.Range(0, count).Select(i => (int)(CounterRandom.Hash((ulong)count, (ulong)i) % (ulong)Gpt.VocabSize))];
}
