namespace Gpt35.Training;

/// <summary>A measurement on held-out records.</summary>
/// <param name="Metrics">What goes into metrics.jsonl.</param>
/// <param name="Loss">The one figure that tells better from worse; lower is better.</param>
internal sealed record Evaluation(OrderedDictionary<string, double> Metrics, double Loss);

/// <summary>What a stage does in the loop that all stages share.</summary>
internal sealed class StageWork
{
    /// <summary>Does step 0, 1, … and returns its metrics, among them "tokens".</summary>
    public required Func<int, OrderedDictionary<string, double>> Step { get; init; }

    /// <summary>Measures on the held-out records; null when there are none.</summary>
    public Func<Evaluation>? Evaluate { get; init; }

    /// <summary>Hash of everything that is trained and measured on (<see cref="DataHash"/>): a run resumes on the same only.</summary>
    public required string Data { get; init; }

    /// <summary>Every optimizer of the stage, that of the model it is about first.</summary>
    public required IReadOnlyList<Optimizer> Optimizers { get; init; }

    /// <summary>Writes models and optimizers into a folder; null on all ranks but the first, which help only.</summary>
    public required Action<string?> Save { get; init; }

    /// <summary>Takes the model that the stage is about back to a checkpoint.</summary>
    public required Action<string> Load { get; init; }
}
