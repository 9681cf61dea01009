using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// The matrices of a model in reduced precision. Vectors, learned positions and the scalar head are few and stay F32, in a
/// <see cref="ParameterSet"/>.
/// </summary>
internal sealed unsafe class ReducedWeights : IDisposable
{
    private static readonly string[] Sites = ["attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"];

    private readonly NativeArena memory;                   // of all of them
    private readonly ReducedMatrix[] blocks;               // (L, 4)
    private readonly ReducedMatrix? head;
    private int owners = 1;

    private ReducedWeights(NativeArena memory, ReducedMatrix tokenEmbedding, ReducedMatrix[] blocks, ReducedMatrix? head)
    {
        (this.memory, TokenEmbedding, this.blocks, this.head) = (memory, tokenEmbedding, blocks, head);
        Bytes = tokenEmbedding.Bytes + (head?.Bytes ?? 0) + blocks.Sum(matrix => matrix.Bytes);
    }

    /// <summary>(V, D).</summary>
    public ReducedMatrix TokenEmbedding { get; }

    /// <summary>(V, D): the embedding where the two are tied.</summary>
    public ReducedMatrix OutputHead => head ?? TokenEmbedding;

    /// <summary>Whether the vocabulary projection is a matrix of its own.</summary>
    public bool HasOutputHead => head is not null;

    /// <summary>A matrix of a block, (outputs, inputs).</summary>
    public ReducedMatrix Block(int layer, LinearSite site) => blocks[layer * Sites.Length + (int)site];

    /// <summary>The matrix that a pass multiplies with after that one.</summary>
    public ReducedMatrix After(int layer, LinearSite site)
    {
        var next = layer * Sites.Length + (int)site + 1;
        return next < blocks.Length ? blocks[next] : OutputHead;
    }

    /// <summary>Memory of all matrices; asked for in every step of the scheduler, hence no sum here.</summary>
    public long Bytes { get; }

    /// <summary>
    /// The precision of a matrix where <paramref name="wanted"/> is asked for. Rows that are no whole blocks of 32 are BF16. Of an int4 model the
    /// vocabulary's matrices are int8, as llama.cpp keeps them above the rest too: every token goes through them alone.
    /// </summary>
    public static WeightPrecision PrecisionOf(Parameter parameter, WeightPrecision wanted)
    {
        if (wanted == WeightPrecision.BF16 || InputsOf(parameter) % TensorTypes.BlockSize != 0) return WeightPrecision.BF16;
        return IsOfVocabulary(parameter) ? WeightPrecision.Int8 : wanted;
    }

    /// <summary>Whether a parameter of the layout is one of these matrices.</summary>
    public static bool Holds(Parameter parameter) => parameter.Shape.Length == 2 && parameter.Name is not (DecoderLayout.PositionEmbedding or DecoderLayout.Score);

    /// <summary>The parameters that stay F32, as a layout without gaps.</summary>
    public static IReadOnlyList<Parameter> Others(ModelConfig config)
    {
        long offset = 0;
        return [.. DecoderLayout.Parameters(config).Where(parameter => !Holds(parameter)).Select(parameter =>
        {
            var placed = parameter with { Offset = offset };
            offset += parameter.Count;
            return placed;
        })];
    }

    /// <summary>Bytes that loading takes at most: the weights, and the largest matrix once as F32.</summary>
    public static double LoadingBytes(ModelConfig config, WeightPrecision precision)
    {
        double bytes = 0, largest = 0;
        foreach (var parameter in DecoderLayout.Parameters(config))
        {
            var type = Holds(parameter) ? TypeOf(PrecisionOf(parameter, precision)) : TensorType.F32;
            bytes += (double)parameter.Count / TensorTypes.BlockSize * type.BlockBytes();
            if (Holds(parameter)) largest = Math.Max(largest, sizeof(float) * (double)parameter.Count);
        }
        return bytes + largest;
    }

    /// <summary>Reads the matrices one after the other; besides them there is only ever one in F32.</summary>
    /// <exception cref="InvalidDataException">A weight is not a finite number.</exception>
    public static ReducedWeights Read(ModelConfig config, WeightPrecision precision, WorkerPool pool, ParameterReader read)
    {
        var parameters = DecoderLayout.Parameters(config).Where(Holds).ToDictionary(parameter => parameter.Name);
        var memory = new NativeArena(parameters.Values.Sum(parameter => ReducedMatrix.MemoryOf(PrecisionOf(parameter, precision), OutputsOf(parameter), InputsOf(parameter))));
        try
        {
            using var values = new NativeBuffer<float>(parameters.Values.Max(parameter => parameter.Count));
            ReducedMatrix Next(string name) => Reduce(parameters[name], precision, pool, read, values, memory);
            var embedding = Next(DecoderLayout.TokenEmbedding);
            ReducedMatrix[] blocks = [.. Enumerable.Range(0, config.NumHiddenLayers).SelectMany(layer => Sites.Select(site => Next($"h.{layer}.{site}")))];
            return new ReducedWeights(memory, embedding, blocks, parameters.ContainsKey(DecoderLayout.OutputHead) ? Next(DecoderLayout.OutputHead) : null);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>One more owner: the memory is freed when each has disposed of it.</summary>
    public ReducedWeights Share()
    {
        owners++;
        return this;
    }

    public void Dispose()
    {
        if (--owners == 0) memory.Dispose();
    }

    private static ReducedMatrix Reduce(Parameter parameter, WeightPrecision precision, WorkerPool pool, ParameterReader read, NativeBuffer<float> values, NativeArena memory)
    {
        read(parameter, new Span<float>(values.Pointer, checked((int)parameter.Count)));
        var own = PrecisionOf(parameter, precision);
        int inputs = InputsOf(parameter), outputs = OutputsOf(parameter);
        var matrix = ReducedMatrix.Create(own, outputs, inputs, memory);
        // The layout has (in, out), except for the vocabulary's (V, D).
        var source = IsOfVocabulary(parameter) ? new Matrix(values.Pointer, outputs, inputs) : new Matrix(values.Pointer, inputs, outputs).T;
        try
        {
            pool.Run((outputs + ReduceJob.RowsEach - 1) / ReduceJob.RowsEach, new ReduceJob(source, matrix, TypeOf(own)));
            return matrix;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{parameter.Name}: {e.Message}", e);
        }
    }

    private static bool IsOfVocabulary(Parameter parameter) => parameter.Name is DecoderLayout.TokenEmbedding or DecoderLayout.OutputHead;

    private static int InputsOf(Parameter parameter) => parameter.Shape[IsOfVocabulary(parameter) ? 1 : 0];

    private static int OutputsOf(Parameter parameter) => (int)(parameter.Count / InputsOf(parameter));

    private static TensorType TypeOf(WeightPrecision precision) => precision switch
    {
        WeightPrecision.BF16 => TensorType.BF16,
        WeightPrecision.Int8 => TensorType.Q8_0,
        WeightPrecision.Int4 => TensorType.Q4_0,
        _ => TensorType.F32,
    };

    /// <summary>Encodes some rows: those whose numbers share cache lines where the source is transposed.</summary>
    private readonly struct ReduceJob(Matrix source, ReducedMatrix target, TensorType type) : IParallelJob
    {
        internal const int RowsEach = 16;

        public void Run(int part)
        {
            var inputs = source.ColumnCount;
            int first = part * RowsEach, count = Math.Min(RowsEach, source.RowCount - first);
            float[] rows = new float[count * inputs];
            for (var k = 0; k < inputs; k++)
                for (var i = 0; i < count; i++)
                    rows[i * inputs + k] = source.Data[(nint)(first + i) * source.RowStride + (nint)k * source.ColumnStride];
            foreach (var x in rows)
                if (!float.IsFinite(x)) throw new InvalidDataException($"found {x} among the weights; expected finite numbers. Did its training diverge?");
            var stored = new byte[target.StoredRowBytes];
            for (var i = 0; i < count; i++)
            {
                if (type == TensorType.Q4_0) Int4Scales.Encode(rows.AsSpan(i * inputs, inputs), stored);
                else TensorCodec.Encode(type, rows.AsSpan(i * inputs, inputs), stored);
                target.SetRow(first + i, stored);
            }
        }
    }
}
