using System.ComponentModel.DataAnnotations;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>The pre-training gradient mixed into PPO (PPO-ptx, Ouyang et al. 2022, eq. 2 and appendix C.4).</summary>
public sealed record PtxOptions
{
    /// <summary>Text files.</summary>
    public required IReadOnlyList<string> Train { get; init; }

    /// <summary>γ: weight of the language-model gradient.</summary>
    [Range(0.0, 1e6)]
    public double Coef { get; init; } = 27.8;

    /// <summary>Tokens of text per minibatch.</summary>
    [Range(1, int.MaxValue)]
    public required int Tokens { get; init; }
}

/// <summary>PPO against a reward model. Defaults: InstructGPT (Ouyang et al. 2022, appendix C.4) unless noted.</summary>
public sealed record PpoRecipe : StageOptions
{
    /// <summary>Fixes prompts, rollouts and minibatches.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What computes: our kernels, or libtorch where that backend has been built (docs/backends.md).</summary>
    public Backend Backend { get; init; }

    /// <summary>What matrices are multiplied in; weights, gradients and optimizer are fp32 in any case (docs/training.md).</summary>
    public Dtype Dtype { get; init; }

    /// <summary>Model folder of the fine-tuned model: where the policy starts, and the reference it is held to.</summary>
    public required string Init { get; init; }

    /// <summary>Model folder of the reward model; the value network starts from it.</summary>
    public required string RewardModel { get; init; }

    /// <summary>Prompts; held-out ones, if any, are answered and scored before and after.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>Train adapters of policy and value network over frozen models; the whole networks when left out (docs/lora.md).</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>Rounds of rollout and update.</summary>
    [Range(1, int.MaxValue)]
    public required int Iterations { get; init; }

    /// <summary>Prompts per round.</summary>
    [Range(1, int.MaxValue)]
    public int RolloutPrompts { get; init; } = 512;

    /// <summary>Longest completion in tokens, its end included. Prompts that leave less room in the context are dropped.</summary>
    [Range(1, int.MaxValue)]
    public required int MaxTokens { get; init; }

    /// <summary>Temperature of the rollouts and of every log-probability. Nothing is truncated (no top-k, no top-p): the sampler and the loss see one distribution.</summary>
    [Range(0.01, 100.0)]
    public double Temperature { get; init; } = 1;

    /// <summary>Taken off the score of a completion that does not end by itself (TRL's docs: 1).</summary>
    [Range(0.0, 1e6)]
    public double MissingEosPenalty { get; init; } = 1;

    /// <summary>β: weight of the per-token KL penalty against the reference.</summary>
    [Range(0.0, 1e6)]
    public double KlCoef { get; init; } = 0.02;

    /// <summary>Which estimate of the KL is penalised.</summary>
    public KlEstimator KlEstimator { get; init; } = KlEstimator.K1;

    /// <summary>KL of a whole completion, in nats, that β is steered towards (Ziegler et al. 2019); β is fixed when left out.</summary>
    [Range(1e-6, 1e6)]
    public double? KlTarget { get; init; }

    /// <summary>Completions over which β may change by about 20 % (lm-human-preferences: 10,000); with <see cref="KlTarget"/> more than a fifth of <see cref="RolloutPrompts"/>.</summary>
    [Range(1, int.MaxValue)]
    public int KlHorizon { get; init; } = 10_000;

    /// <summary>Half-width of the probability-ratio clip.</summary>
    [Range(1e-6, 1e6)]
    public double ClipRange { get; init; } = 0.2;

    /// <summary>Half-width of the value clip (lm-human-preferences).</summary>
    [Range(1e-6, 1e6)]
    public double ValueClip { get; init; } = 0.2;

    /// <summary>Weight of the value loss. The value network has its own optimizer, so under AdamW this matters only where gradients are clipped.</summary>
    [Range(0.0, 1e6)]
    public double VfCoef { get; init; } = 1;

    /// <summary>γ: discount.</summary>
    [Range(0.0, 1.0)]
    public double Gamma { get; init; } = 1;

    /// <summary>λ of GAE (lm-human-preferences, TRL).</summary>
    [Range(0.0, 1.0)]
    public double Lambda { get; init; } = 0.95;

    /// <summary>Passes over the rollouts of a round.</summary>
    [Range(1, int.MaxValue)]
    public int PpoEpochs { get; init; } = 1;

    /// <summary>Optimizer steps per pass.</summary>
    [Range(1, int.MaxValue)]
    public int Minibatches { get; init; } = 8;

    /// <summary>Weight of the entropy bonus; 0 turns it off.</summary>
    [Range(0.0, 1e6)]
    public double EntropyCoef { get; init; }

    /// <summary>The pre-training mix; left out, PPO goes without.</summary>
    public PtxOptions? Ptx { get; init; }

    /// <summary>Tokens of one pass through a model.</summary>
    [Range(1, int.MaxValue)]
    public int MicroTokens { get; init; } = 8192;

    /// <summary>The policy's optimizer; its schedule counts rounds.</summary>
    public required OptimizerOptions Optimizer { get; init; }

    /// <summary>The value network's optimizer; its schedule counts rounds.</summary>
    public required OptimizerOptions ValueOptimizer { get; init; }

    /// <exception cref="InvalidDataException">β could fall by all it has within one round: what is below zero rewards distance from the reference.</exception>
    internal void RequirePenalty()
    {
        if (KlTarget is null || KlPenalty.LargestChange * RolloutPrompts < KlHorizon) return;
        throw new InvalidDataException(
            $"kl_horizon is {KlHorizon} and rollout_prompts {RolloutPrompts}: within one round the KL penalty could fall to zero or turn into a reward. Set kl_horizon above {RolloutPrompts * KlPenalty.LargestChange:0.#}, better far above (10,000 by default), or leave out kl_target.");
    }
}
