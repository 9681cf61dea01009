using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>What a plan is made for.</summary>
public enum WorkloadKind
{
    /// <summary>A model as such: training on whole windows in one column, generation in the other.</summary>
    Model,
    Pretrain,
    Sft,
    Reward,
    Ppo,
}

/// <summary>A stage, or a model as such, as far as memory and time depend on it.</summary>
public sealed record Workload
{
    public required WorkloadKind Kind { get; init; }

    /// <summary>Shape of the model that is trained; the policy in PPO.</summary>
    public required ModelConfig Model { get; init; }

    /// <summary>Shape of reward model and value network in PPO.</summary>
    public ModelConfig? Judge { get; init; }

    /// <summary>Tokens of the longest sequence.</summary>
    public required int Context { get; init; }

    /// <summary>Tokens of one pass; a longer sequence is a pass of its own.</summary>
    public required int MicroTokens { get; init; }

    /// <summary>Tokens that go through training steps, repetitions included; NaN: unknown.</summary>
    public double Tokens { get; init; } = double.NaN;

    /// <summary>Share of the tokens of a pass that are scored.</summary>
    public double ScoredShare { get; init; } = 1;

    /// <summary>Sequences that are generated at once; 0: none.</summary>
    public int Slots { get; init; }

    /// <summary>Rollouts of PPO; null elsewhere.</summary>
    public RolloutWork? Rollouts { get; init; }

    /// <summary>The adapter; null: the whole model is trained.</summary>
    public LoraConfig? Lora { get; init; }

    /// <summary>Whether dropout is on, which takes a buffer more.</summary>
    public bool Dropout { get; init; }

    /// <summary>Whether activations are computed again in the backward pass.</summary>
    public bool ActivationCheckpointing { get; init; }

    /// <summary>What matrices are multiplied in.</summary>
    public Dtype Format { get; init; } = Dtype.Fp32;

    /// <summary>Whether activations and a copy of the weights are kept in it too, as the torch backend does; the cpu backend rounds no more than what it multiplies.</summary>
    public bool KeepsFormat { get; init; } = true;

    /// <summary>What memory is counted in.</summary>
    public Dtype Kept => KeepsFormat ? Format : Dtype.Fp32;

    /// <summary>Whether all four models of PPO stand on one base (adapters over the same folder).</summary>
    public bool OneBase { get; init; }

    /// <summary>What a reader should know: data that are not there yet, and the like.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Tokens of the largest pass.</summary>
    public int PassTokens => Math.Max(MicroTokens, Context);
}

/// <summary>The rollouts of a PPO run.</summary>
/// <param name="Count">Prompts answered in all rounds together.</param>
/// <param name="PromptTokens">Mean length of a prompt; NaN: unknown.</param>
/// <param name="CompletionTokens">Longest completion.</param>
/// <param name="Epochs">Passes of the update over them.</param>
/// <param name="PtxTokens">Tokens of text mixed in, in all.</param>
public sealed record RolloutWork(double Count, double PromptTokens, int CompletionTokens, int Epochs, double PtxTokens);
