namespace Gpt35.Model;

/// <summary>A matrix of every block that may get an adapter.</summary>
public enum LoraTarget
{
    /// <summary>Queries, keys and values as the one matrix that GPT-2's files have.</summary>
    CAttn,
    /// <summary>Queries.</summary>
    Q,
    /// <summary>Keys.</summary>
    K,
    /// <summary>Values.</summary>
    V,
    /// <summary>What attention gives back to the residual stream.</summary>
    O,
    /// <summary>The gate of a gated feed-forward layer.</summary>
    Gate,
    /// <summary>The way into the feed-forward layer.</summary>
    Up,
    /// <summary>The way out of it.</summary>
    Down,
}

/// <summary>Low-rank adaptation (Hu et al. 2021): W stays, and y = x·W + s·(x·Aᵀ)·Bᵀ with A (r, in) and B (out, r) is trained.</summary>
public sealed record LoraConfig
{
    /// <summary>r: rank of the change.</summary>
    public required int Rank { get; init; }

    /// <summary>α: s = α/r, or α/√r with <see cref="RsLora"/>.</summary>
    public required double Alpha { get; init; }

    /// <summary>Which matrices get one, each once; in the order of <see cref="LoraTarget"/> where an adapter shall go on from a file.</summary>
    public required IReadOnlyList<LoraTarget> Targets { get; init; }

    /// <summary>Rank-stabilised scaling (Kalajdzievski 2023): with α/r, a higher rank learns more slowly.</summary>
    public bool RsLora { get; init; }

    /// <summary>s: factor on the low-rank product.</summary>
    public float Scale => (float)(Alpha / (RsLora ? Math.Sqrt(Rank) : Rank));

    /// <summary>What is adapted when nobody says: queries and values (Hu et al. 2021, section 7.1), or the one matrix that holds them.</summary>
    public static IReadOnlyList<LoraTarget> DefaultTargets(ModelConfig config) => LoraLayout.IsFused(config) ? [LoraTarget.CAttn] : [LoraTarget.Q, LoraTarget.V];

    /// <exception cref="InvalidDataException">A value is out of range, or the model has no such matrix.</exception>
    public void Validate(ModelConfig config)
    {
        if (Rank < 1 || Rank > config.HiddenSize)
            throw new InvalidDataException($"lora.rank is {Rank}; expected a whole number from 1 to the model's width, {config.HiddenSize}.");
        if (!(Alpha > 0 && double.IsFinite(Alpha)))
            throw new InvalidDataException($"lora.alpha is {Alpha}; expected a positive number, such as twice the rank.");
        if (Targets.Count == 0) throw new InvalidDataException("lora.targets is empty; name at least one matrix, or leave it out.");
        foreach (var target in Targets)
        {
            var known = LoraLayout.TargetsOf(config);
            if (!known.Contains(target))
                throw new InvalidDataException($"lora.targets has {NameOf(target)}, which this model does not have as a matrix of its own; it has {string.Join(", ", known.Select(NameOf))}.");
            if (Targets.Count(other => other == target) > 1) throw new InvalidDataException($"lora.targets has {NameOf(target)} twice.");
        }
    }

    /// <summary>Whether an adapter of one can go on as the other.</summary>
    public bool IsSameAs(LoraConfig other) => this with { Targets = other.Targets } == other && Targets.SequenceEqual(other.Targets);

    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"rank {Rank}, alpha {Alpha}, targets {string.Join(", ", Targets.Select(NameOf))}{(RsLora ? ", rslora" : "")}");

    /// <summary>The target's name in a recipe.</summary>
    public static string NameOf(LoraTarget target) => target == LoraTarget.CAttn ? "c_attn" : target.ToString().ToLowerInvariant();
}
