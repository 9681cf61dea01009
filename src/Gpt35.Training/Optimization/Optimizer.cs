using System.Runtime.InteropServices;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019) over the flat buffer of a model: clips by global norm, decays matrices only, and empties the gradients after the step.
/// </summary>
public sealed unsafe class Optimizer : IDisposable
{
    private static ReadOnlySpan<byte> Magic => "gpt35-adamw-1\n"u8;

    private readonly ParameterSet parameters;
    private readonly OptimizerOptions options;
    private readonly WorkerPool pool;
    private readonly NativeBuffer<float> firstMoments, secondMoments;
    private readonly IReadOnlyList<(long Offset, long Count, bool Decays)> ranges;

    public Optimizer(ParameterSet parameters, OptimizerOptions options, WorkerPool pool)
    {
        this.parameters = parameters;
        this.options = options;
        this.pool = pool;
        firstMoments = new NativeBuffer<float>(parameters.Count);
        secondMoments = new NativeBuffer<float>(parameters.Count);
        ranges = Merge(parameters.All);
    }

    /// <summary>Steps taken so far.</summary>
    public int StepCount { get; private set; }

    /// <summary>Takes one step with the accumulated gradients and sets them to zero.</summary>
    /// <returns>The gradient's global norm before clipping.</returns>
    /// <exception cref="InvalidDataException">The gradient is not finite: training has diverged.</exception>
    public double Step(double learningRate)
    {
        var norm = Math.Sqrt(VectorMath.SumOfSquares(pool, parameters.GradientPointer, parameters.Count));
        if (!double.IsFinite(norm))
            throw new InvalidDataException(
                $"Training diverged: the gradient of optimizer step {StepCount + 1} is {norm}. Lower the learning rate ({options.Lr} at its peak) or lengthen the warm-up ({options.WarmupSteps} steps).");
        var scale = options.Clip > 0 && norm > options.Clip ? options.Clip / norm : 1;
        StepCount++;
        foreach (var (offset, count, decays) in ranges)
        {
            AdamW.Step(pool, parameters.ValuePointer + offset, parameters.GradientPointer + offset, firstMoments.Pointer + offset, secondMoments.Pointer + offset, count,
                (float)learningRate, (float)options.Beta1, (float)options.Beta2, (float)options.Eps,
                decays ? (float)options.WeightDecay : 0, StepCount, (float)scale);
        }
        parameters.ZeroGradients();
        return norm;
    }

    /// <summary>Writes step count and moments; little-endian, about 8 bytes per parameter.</summary>
    public void Save(Stream stream)
    {
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        writer.Write(Magic);
        writer.Write(parameters.Count);
        writer.Write(StepCount);
        writer.Write(MemoryMarshal.AsBytes(firstMoments.Span));
        writer.Write(MemoryMarshal.AsBytes(secondMoments.Span));
    }

    /// <exception cref="InvalidDataException">The stream holds no optimizer state, or that of a model of another size.</exception>
    public void Load(Stream stream)
    {
        using var reader = new BinaryReader(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Magic))
            throw new InvalidDataException("no optimizer state of this program.");
        var count = reader.ReadInt64();
        if (count != parameters.Count)
            throw new InvalidDataException($"the optimizer state is of a model with {count} parameters; this one has {parameters.Count}.");
        StepCount = reader.ReadInt32();
        try
        {
            stream.ReadExactly(MemoryMarshal.AsBytes(firstMoments.Span));
            stream.ReadExactly(MemoryMarshal.AsBytes(secondMoments.Span));
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException("the optimizer state ends before its last number; it was not written completely.", e);
        }
    }

    public void Dispose()
    {
        firstMoments.Dispose();
        secondMoments.Dispose();
    }

    /// <summary>Neighbours with the same decay become one range, so that a step is few long loops.</summary>
    private static List<(long Offset, long Count, bool Decays)> Merge(IReadOnlyList<Parameter> all)
    {
        var merged = new List<(long Offset, long Count, bool Decays)>();
        foreach (var parameter in all.OrderBy(parameter => parameter.Offset))
        {
            if (merged is [.., var last] && last.Decays == parameter.Decays && last.Offset + last.Count == parameter.Offset)
                merged[^1] = last with { Count = last.Count + parameter.Count };
            else
                merged.Add((parameter.Offset, parameter.Count, parameter.Decays));
        }
        return merged;
    }
}
