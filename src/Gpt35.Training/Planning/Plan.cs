using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>One model of a plan.</summary>
/// <param name="Role">model, policy, reference, value, reward.</param>
/// <param name="Parameters">All of its parameters.</param>
/// <param name="Trained">How many of them are trained.</param>
/// <param name="Memory">Bytes by part.</param>
public sealed record PlannedModel(string Role, long Parameters, long Trained, MemoryUse Memory);

/// <summary>Memory and operations of a <see cref="Workload"/>, before anything runs.</summary>
public sealed record Plan
{
    public required Workload Work { get; init; }

    /// <summary>Models that are in memory at the same time; of <see cref="WorkloadKind.Model"/> the two uses, which are not.</summary>
    public required IReadOnlyList<PlannedModel> Models { get; init; }

    /// <summary>Operations of one token forward.</summary>
    public required double ForwardFlops { get; init; }

    /// <summary>Operations of one token of training.</summary>
    public required double TrainingFlops { get; init; }

    /// <summary>Operations of the whole stage; NaN where its tokens are unknown.</summary>
    public required double TotalFlops { get; init; }

    /// <summary>Bytes in all; of a model as such, those of training.</summary>
    public long TotalMemory => Work.Kind == WorkloadKind.Model ? Models[0].Memory.Total : Models.Sum(model => model.Memory.Total);

    public static Plan Of(Workload work)
    {
        var forward = ComputeCost.ForwardPerToken(work.Model, work.Context, work.ScoredShare);
        var training = Training(work, work.Model, work.ScoredShare);
        return new Plan
        {
            Work = work,
            Models = [.. ModelsOf(work)],
            ForwardFlops = forward,
            TrainingFlops = training,
            TotalFlops = work.Rollouts is { } rollouts ? Ppo(work, rollouts) : work.Tokens * training,
        };
    }

    private static double Training(Workload work, ModelConfig config, double scoredShare)
    {
        var once = work.Lora is { } lora
            ? ComputeCost.AdapterTrainingPerToken(config, work.Context, AdapterParameters(config, lora), scoredShare)
            : ComputeCost.TrainingPerToken(config, work.Context, scoredShare);
        return work.ActivationCheckpointing ? once + ComputeCost.RecomputedPerToken(config, work.Context) : once;
    }

    /// <summary>Each rollout is generated once, scored by all four models, and passes policy and value network in every epoch; text is mixed in.</summary>
    private static double Ppo(Workload work, RolloutWork rollouts)
    {
        double length = rollouts.PromptTokens + rollouts.CompletionTokens, tokens = rollouts.Count * length;
        var scored = rollouts.CompletionTokens / length;
        var context = (int)Math.Min(work.Context, length);
        var policy = ComputeCost.ForwardPerToken(work.Model, context, scored);
        var judge = ComputeCost.ForwardPerToken(work.Judge!, context);
        var generating = policy;
        var scoring = 2 * policy + 2 * judge;
        var updating = rollouts.Epochs * (Training(work with { Context = context }, work.Model, scored) + Training(work with { Context = context }, work.Judge!, 1));
        return tokens * (generating + scoring + updating) + rollouts.PtxTokens * Training(work, work.Model, 1);
    }

    private static IEnumerable<PlannedModel> ModelsOf(Workload work)
    {
        var model = work.Model;
        var pass = new Pass(work.PassTokens, Math.Max(1, (int)Math.Ceiling(work.PassTokens * work.ScoredShare)), Entropy: work.Kind == WorkloadKind.Ppo, Dropout: work.Dropout, Checkpointing: work.ActivationCheckpointing,
            GradientKnown: work.Kind is WorkloadKind.Model or WorkloadKind.Pretrain or WorkloadKind.Sft);
        switch (work.Kind)
        {
            case WorkloadKind.Model:
                yield return Trained("training", model, pass);
                yield return new PlannedModel("generating", Count(model), 0, Generating(model) + MemoryUse.OfWeights(model, work.Kept));
                break;
            case WorkloadKind.Reward:
                // The initial model stays in memory: its weights are where the reward model's come from.
                var initial = model with { NumScalars = 0, ScalarHead = ScalarHead.State };
                yield return new PlannedModel("initial", Count(initial), 0, MemoryUse.OfWeights(initial));
                yield return Trained("reward", model, pass, sharesWeights: work.Lora is not null);
                break;
            case WorkloadKind.Ppo:
                var judge = work.Judge!;
                var policy = Trained("policy", model, pass);
                yield return policy with { Memory = policy.Memory + Generating(model) };
                yield return new PlannedModel("reference", Count(model), 0, MemoryUse.OfScoring(model, pass, work.Kept, sharesWeights: work.Lora is not null));
                yield return Trained("value", judge, pass, sharesWeights: work.OneBase);
                yield return new PlannedModel("reward", Count(judge), 0, MemoryUse.OfScoring(judge, pass, work.Kept, sharesWeights: work.Lora is not null));
                break;
            default:
                yield return Trained("model", model, pass);
                break;
        }

        PlannedModel Trained(string role, ModelConfig config, Pass largest, bool sharesWeights = false)
        {
            var all = Count(config);
            return new PlannedModel(role, all, work.Lora is { } lora ? AdapterParameters(config, lora) : all,
                MemoryUse.OfTraining(config, largest, work.Kept, work.Lora, sharesWeights));
        }

        // Cache, logits of every sequence, and what its longest step needs beyond the passes above.
        MemoryUse Generating(ModelConfig config) => work.Slots == 0 ? new MemoryUse() : new MemoryUse
        {
            KvCache = MemoryUse.OfCache(config, work.Slots, work.Context, work.Kept == Dtype.Fp32 ? KvPrecision.F32 : KvPrecision.BF16),
            Activations = MemoryUse.OfGeneration(config, work.Slots, InferenceEngine.PromptTokensPerStep, work.Kind == WorkloadKind.Model ? 0 : work.PassTokens, work.Kept),
        };
    }

    private static long Count(ModelConfig config) => MemoryUse.CountOf(config);
    private static long AdapterParameters(ModelConfig config, LoraConfig lora) => MemoryUse.CountOf(config, lora);
}
