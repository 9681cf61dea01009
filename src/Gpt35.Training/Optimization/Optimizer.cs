using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019) over the flat buffer of a model: adds up the gradients of all ranks, clips by global norm, decays matrices only,
/// and empties the gradients after the step. Each rank keeps the moments of its own shard and updates that (ZeRO stage 1); alone, its shard is everything.
/// </summary>
public sealed unsafe class Optimizer : IDisposable
{
    private readonly ParameterSet parameters;
    private readonly OptimizerOptions options;
    private readonly WorkerPool pool;
    private readonly GradientExchange exchange;
    private readonly NativeBuffer<float> firstMoments, secondMoments;     // (shard)
    private readonly IReadOnlyList<(long Offset, long Count, bool Decays)> ranges;
    private readonly long from, to;                                       // the shard in the flat buffer
    private readonly WeightAverage? average;
    private readonly OutlierGuard? guard;

    /// <param name="parameters">What to train; its gradients are accumulated by the caller.</param>
    /// <param name="options">AdamW's settings.</param>
    /// <param name="pool">Threads to use.</param>
    /// <param name="ranks">The processes that train this model together; null for one alone.</param>
    /// <param name="ema">Keep an average of the weights too.</param>
    /// <param name="outliers">Skip steps that lie far outside.</param>
    public Optimizer(ParameterSet parameters, OptimizerOptions options, WorkerPool pool, Ranks? ranks = null, EmaOptions? ema = null, OutlierOptions? outliers = null)
    {
        this.parameters = parameters;
        this.options = options;
        this.pool = pool;
        Ranks = ranks ?? Ranks.One;
        exchange = new GradientExchange(parameters, Ranks);
        (from, to) = GradientExchange.Shard(parameters.Count, Ranks.Rank, Ranks.Count);
        firstMoments = new NativeBuffer<float>(to - from);
        secondMoments = new NativeBuffer<float>(to - from);
        ranges = Merge(parameters.All, from, to);
        average = ema is null ? null : new WeightAverage(parameters.ValuePointer + from, to - from, ema.Decay);
        guard = outliers is null ? null : new OutlierGuard(outliers);
    }

    /// <summary>The processes that train together.</summary>
    public Ranks Ranks { get; }

    /// <summary>Steps taken so far, skipped ones not counted.</summary>
    public int StepCount { get; private set; }

    /// <summary>Steps skipped as outliers; null where none ever is.</summary>
    public int? Skipped => guard?.Skipped;

    /// <summary>Whether an average of the weights is kept.</summary>
    public bool HasAverage => average is not null;

    /// <summary>The next backward pass is the last of this step: what it completes may travel to the other ranks while it goes on.</summary>
    public void ExpectLastBackward() => exchange.BeginWithNextBackward();

    /// <summary>Takes one step with the accumulated gradients and sets them to zero.</summary>
    /// <param name="learningRate">Learning rate of this step.</param>
    /// <param name="loss">Loss of the step, for the recognition of outliers.</param>
    /// <returns>The gradient's global norm before clipping.</returns>
    /// <exception cref="InvalidDataException">The gradient is not finite: training has diverged.</exception>
    /// <exception cref="InvalidOperationException">An engine is writing texts with these weights.</exception>
    public double Step(double learningRate, double loss = 0)
    {
        exchange.Finish();
        var norm = Math.Sqrt(Ranks.Sum(VectorMath.SumOfSquares(pool, parameters.GradientPointer + from, to - from)));
        if (guard?.Rejects(loss, norm) == true)
        {
            parameters.ZeroGradients();
            return norm;
        }
        if (!double.IsFinite(norm))
            throw new InvalidDataException(
                $"Training diverged: the gradient of optimizer step {StepCount + 1} is {norm}. Lower the learning rate ({options.Lr} at its peak) or lengthen the warm-up ({options.WarmupSteps} steps).");
        using var change = parameters.BeginChange();
        var scale = options.Clip > 0 && norm > options.Clip ? options.Clip / norm : 1;
        StepCount++;
        foreach (var (offset, count, decays) in ranges)
        {
            AdamW.Step(pool, parameters.ValuePointer + offset, parameters.GradientPointer + offset, firstMoments.Pointer + offset - from, secondMoments.Pointer + offset - from, count,
                (float)learningRate, (float)options.Beta1, (float)options.Beta2, (float)options.Eps,
                decays ? (float)options.WeightDecay : 0, StepCount, (float)scale);
        }
        average?.Update(pool);
        ShareValues();
        parameters.ZeroGradients();
        return norm;
    }

    /// <summary>Runs <paramref name="action"/> with the averaged weights in the model, where an average is kept.</summary>
    public T WithAverage<T>(Func<T> action)
    {
        SwapAverage();
        try
        {
            return action();
        }
        finally
        {
            SwapAverage();
        }
    }

    /// <summary>Exchanges the model's weights with their average, where one is kept; a second time takes it back.</summary>
    public void SwapAverage()
    {
        if (average is null) return;
        using var change = parameters.BeginChange();
        average.Swap(pool);
        ShareValues();
    }

    /// <summary>Writes step count and moments; little-endian, about 8 bytes per parameter, 12 with an average. Every rank calls it, the first with a stream.</summary>
    public void Save(Stream? stream)
    {
        if (stream is not null) OptimizerFile.WriteHeader(stream, new OptimizerHeader(parameters.Count, StepCount, HasAverage), guard);
        foreach (var buffer in Buffers) OptimizerFile.WriteShards(stream, (float*)buffer, parameters.Count, Ranks);
    }

    /// <summary>Reads what <see cref="Save"/> wrote, with whatever number of ranks; each takes its own shard.</summary>
    /// <exception cref="InvalidDataException">The stream holds no optimizer state, or that of a model of another size or with other options.</exception>
    public void Load(Stream stream)
    {
        var header = OptimizerFile.ReadHeader(stream, guard);
        if (header.Count != parameters.Count)
            throw new InvalidDataException($"the optimizer state is of a model with {header.Count} parameters; this one has {parameters.Count}.");
        if (header.HasAverage != HasAverage)
            throw new InvalidDataException($"the optimizer state was written {(header.HasAverage ? "with" : "without")} ema; it goes on only with the same recipe.");
        StepCount = header.StepCount;
        var start = stream.Position;
        foreach (var buffer in Buffers)
        {
            stream.Position = start + from * sizeof(float);
            OptimizerFile.ReadFloats(stream, (float*)buffer, to - from);
            start += parameters.Count * sizeof(float);
        }
    }

    public void Dispose()
    {
        firstMoments.Dispose();
        secondMoments.Dispose();
        average?.Dispose();
    }

    /// <summary>The shards that a checkpoint holds, in its order.</summary>
    private nint[] Buffers => average is null
        ? [(nint)firstMoments.Pointer, (nint)secondMoments.Pointer]
        : [(nint)firstMoments.Pointer, (nint)secondMoments.Pointer, (nint)average.Pointer];

    /// <summary>Every rank has updated its shard; now all get all of them.</summary>
    private void ShareValues()
    {
        for (var owner = 0; Ranks.Count > 1 && owner < Ranks.Count; owner++)
        {
            var (start, end) = GradientExchange.Shard(parameters.Count, owner, Ranks.Count);
            Ranks.Broadcast(parameters.ValuePointer + start, end - start, owner);
        }
    }

    /// <summary>Neighbours with the same decay become one range, so that a step is few long loops; only what lies in the shard.</summary>
    private static List<(long Offset, long Count, bool Decays)> Merge(IReadOnlyList<Parameter> all, long from, long to)
    {
        var merged = new List<(long Offset, long Count, bool Decays)>();
        foreach (var parameter in all.OrderBy(parameter => parameter.Offset))
        {
            var start = Math.Max(from, parameter.Offset);
            var count = Math.Min(to, parameter.Offset + parameter.Count) - start;
            if (count <= 0) continue;
            if (merged is [.., var last] && last.Decays == parameter.Decays && last.Offset + last.Count == start)
                merged[^1] = last with { Count = last.Count + count };
            else
                merged.Add((start, count, parameter.Decays));
        }
        return merged;
    }
}
