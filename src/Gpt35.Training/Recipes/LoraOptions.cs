using System.ComponentModel.DataAnnotations;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>Train an adapter instead of the model (Hu et al. 2021); the initial model is frozen.</summary>
public sealed record LoraOptions
{
    /// <summary>r: rank of the change to each matrix.</summary>
    [Range(1, 65536)]
    public int Rank { get; init; } = 8;

    /// <summary>α: the change is scaled by α/r, or by α/√r with rslora.</summary>
    [Range(1e-6, 1e6)]
    public double Alpha { get; init; } = 16;

    /// <summary>Matrices that are adapted: c_attn (GPT-2 family) or q, k, v (rotary), o, gate (where there is one), up, down. Left out: c_attn, or q and v.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>Rank-stabilised scaling (Kalajdzievski 2023), for high ranks.</summary>
    public bool Rslora { get; init; }

    /// <exception cref="InvalidDataException">A target is unknown, or not part of this model.</exception>
    internal LoraConfig ToConfig(ModelConfig model)
    {
        var lora = new LoraConfig
        {
            Rank = Rank,
            Alpha = Alpha,
            Targets = Targets.Count == 0 ? LoraConfig.DefaultTargets(model) : [.. Targets.Select(Parse).Order()],
            RsLora = Rslora,
        };
        lora.Validate(model);
        return lora;
    }

    private static LoraTarget Parse(string name)
    {
        foreach (var target in Enum.GetValues<LoraTarget>())
            if (LoraConfig.NameOf(target) == name) return target;
        throw new InvalidDataException($"lora.targets has \"{name}\"; expected some of {string.Join(", ", Enum.GetValues<LoraTarget>().Select(LoraConfig.NameOf))}.");
    }
}
