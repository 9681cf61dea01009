using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    /// <summary>A model for inference whose matrices are held in reduced precision from the start; besides them there is only ever one in F32.</summary>
    /// <param name="config">Shape of the model.</param>
    /// <param name="precision">Below F32; see <see cref="ReducedWeights.PrecisionOf"/> for matrices that are held in another one.</param>
    /// <param name="pool">Threads.</param>
    /// <param name="read">Where the numbers come from.</param>
    /// <exception cref="InvalidDataException">The configuration contradicts itself, or a weight is not a finite number.</exception>
    internal static Decoder CreateReduced(ModelConfig config, WeightPrecision precision, WorkerPool pool, ParameterReader read)
    {
        config.Validate();
        if (config.ScalarHead == ScalarHead.Action)
            throw new InvalidDataException($"a scalar head that reads tokens is computed in f32, and the weights are asked for in {precision}.");
        var others = new ParameterSet(ReducedWeights.Others(config));
        try
        {
            foreach (var parameter in others.All) read(parameter, others.ValuesOf(parameter));
            return new Decoder(config, others, null, pool, ReducedWeights.Read(config, precision, pool, read)) { Precision = precision };
        }
        catch
        {
            others.Dispose();
            throw;
        }
    }

    /// <summary>A model of random weights in that precision, to measure with: N(0, <see cref="ModelConfig.InitializerRange"/>), repeated where there are many.</summary>
    public static Decoder CreateRandom(ModelConfig config, WeightPrecision precision, ulong seed, WorkerPool pool)
    {
        MemoryCheck.RequireRoom("the model", config, precision);
        var some = new float[1 << 20];
        for (var i = 0; i < some.Length; i++) some[i] = config.InitializerRange * CounterRandom.Normal(seed, (ulong)i);
        void Fill(Parameter parameter, Span<float> values)
        {
            if (parameter.Shape.Length == 1) values.Fill(parameter.Name.EndsWith(".weight", StringComparison.Ordinal) ? 1 : 0);
            else
                for (; values.Length > 0; values = values[Math.Min(values.Length, some.Length)..]) some.AsSpan(0, Math.Min(values.Length, some.Length)).CopyTo(values);
        }
        if (precision != WeightPrecision.F32) return CreateReduced(config, precision, pool, Fill);
        var model = CreateEmpty(config, pool);
        foreach (var parameter in model.weights.All) Fill(parameter, model.weights.ValuesOf(parameter));
        return model;
    }

    /// <summary>
    /// A copy of this model, its adapter worked in, for inference with weights of that precision. It scores and generates like any model; whatever
    /// needs all weights in F32 (training, saving, other heads) is refused. <see cref="Parameters"/> are those that stay F32.
    /// </summary>
    /// <exception cref="InvalidDataException">A weight is not a finite number.</exception>
    public Decoder Reduce(WeightPrecision precision)
    {
        RequireAllWeights();
        if (adapter is not null)
        {
            using var merged = Merge();
            return merged.Reduce(precision);
        }
        return CreateReduced(Config, precision, pool, (parameter, values) => weights.ValuesOf(weights[parameter.Name]).CopyTo(values));
    }

    /// <summary>How the matrices are held.</summary>
    public WeightPrecision Precision { get; private init; } = WeightPrecision.F32;

    /// <summary>Memory of all weights.</summary>
    public long WeightBytes => weights.Count * sizeof(float) + (reduced?.Bytes ?? 0) + (adapter?.Parameters.Count * sizeof(float) ?? 0);

    private void RequireAllWeights()
    {
        if (reduced is not null)
            throw new InvalidOperationException($"This model has its weights in {Precision} and is for inference only; load it in F32 to train it, change it or save it.");
    }

    /// <summary>x of every token, (T, D).</summary>
    private void EmbedReduced(TokenBatch batch, float* x)
    {
        for (var b = 0; b < batch.SequenceCount; b++)
            for (var row = batch.SequenceStarts[b]; row < batch.SequenceStarts[b + 1]; row++)
                EmbedRow(batch.Tokens[row], row - batch.SequenceStarts[b], x + (long)row * Config.HiddenSize);
    }
}
