namespace Gpt35.Data.TinyWorld;

/// <summary>What a prompt may be used for. The folds share no content: no fact, pair, list, story or act appears in two of them.</summary>
public enum Fold
{
    /// <summary>Supervised fine-tuning and few-shot examples.</summary>
    Demonstrations,
    /// <summary>Rankings and PPO.</summary>
    Feedback,
    /// <summary>Evaluation only.</summary>
    HeldOut,
}

/// <summary>Assigns content keys to folds by hash, so that any code that meets a key agrees on its fold.</summary>
internal sealed class FoldSplit
{
    /// <summary>Share of the keys kept for evaluation.</summary>
    public const double HeldOutShare = 0.15;

    /// <summary>Share of the keys kept for rankings and PPO.</summary>
    public const double FeedbackShare = 0.20;

    private readonly ulong _seed;
    private readonly Dictionary<string, Fold> _small = [];

    /// <param name="seed">Seed of the world.</param>
    /// <param name="families">
    /// Small families of keys, such as the homes of all people. Each is cut by rank of its hashes rather than by threshold, so that every
    /// family of at least three keys is present in every fold.
    /// </param>
    public FoldSplit(ulong seed, IReadOnlyList<IEnumerable<string>> families)
    {
        _seed = seed;
        foreach (var family in families.Concat(InstructionFamilies.All))
            AddSmall([.. family]);
    }

    public Fold Of(string key) => _small.TryGetValue(key, out var fold) ? fold : Position(key) switch
    {
        < HeldOutShare => Fold.HeldOut,
        < HeldOutShare + FeedbackShare => Fold.Feedback,
        _ => Fold.Demonstrations,
    };

    private void AddSmall(string[] keys)
    {
        var ordered = keys.OrderBy(Position).ThenBy(key => key, StringComparer.Ordinal).ToArray();
        var heldOut = (int)Math.Ceiling(keys.Length * HeldOutShare);
        var feedback = (int)Math.Ceiling(keys.Length * FeedbackShare);
        for (var i = 0; i < ordered.Length; i++)
            _small[ordered[i]] = i < heldOut ? Fold.HeldOut : i < heldOut + feedback ? Fold.Feedback : Fold.Demonstrations;
    }

    private double Position(string key) => (SeededRandom.Hash(key, _seed) >> 11) * (1.0 / (1UL << 53));
}
