using Gpt35.Kernels;

namespace Gpt35.Training;

/// <summary>What a stage is given besides its recipe.</summary>
public sealed record StageContext
{
    /// <summary>Where everything the stage makes is kept. Must not exist yet, or be empty, unless <see cref="Resume"/>.</summary>
    public required string RunFolder { get; init; }

    /// <summary>Go on from the newest checkpoint of <see cref="RunFolder"/>, to the same bits an unbroken run would reach.</summary>
    public bool Resume { get; init; }

    public required WorkerPool Pool { get; init; }

    public required IRunObserver Observer { get; init; }

    /// <summary>The processes that train together; one alone unless the program was started by mpirun.</summary>
    public Ranks Ranks { get; init; } = Ranks.One;

    /// <summary>When cancelled, the stage finishes its step, saves a checkpoint and throws <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Cancel { get; init; }
}

/// <summary>Watches a run: the terminal, or a test.</summary>
public interface IRunObserver
{
    /// <summary>The stage has read its data and begins. <paramref name="description"/> is one line on model and data.</summary>
    void Started(string stage, int totalSteps, string description);

    /// <summary>A step is done.</summary>
    /// <param name="step">1 for the first.</param>
    /// <param name="metrics">What went into metrics.jsonl.</param>
    void Step(int step, IReadOnlyDictionary<string, double> metrics);

    /// <summary>Something a reader should know: records dropped, a checkpoint written.</summary>
    void Note(string line);

    void Finished(StageSummary summary);
}

/// <summary>What a stage did, as kept in summary.json.</summary>
public sealed record StageSummary
{
    /// <summary>pretrain, sft, reward or ppo.</summary>
    public required string Stage { get; init; }

    /// <summary>Folder of the trained model.</summary>
    public required string Model { get; init; }

    public required int Steps { get; init; }

    /// <summary>Wall time of the whole stage, resumed parts included.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens that went through training steps.</summary>
    public required long Tokens { get; init; }

    /// <summary>Tokens per second of training, evaluation left out.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Figures of the stage by name: heldout_loss_before, heldout_loss_after, …</summary>
    public required IReadOnlyDictionary<string, double> Numbers { get; init; }

    /// <summary>Lists by name, for histograms: heldout_margins of a reward model.</summary>
    public IReadOnlyDictionary<string, double[]> Series { get; init; } = new Dictionary<string, double[]>();
}
